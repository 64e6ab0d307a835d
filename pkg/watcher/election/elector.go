// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package election

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// Config is the election's. Durations must satisfy RetryPeriod < RenewDeadline < LeaseDuration.
type Config struct {
	Enabled                                   bool
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

// Elector opens and closes a Gate. It is a manager.Runnable that runs in every process.
type Elector struct {
	gate   *Gate
	lock   resourcelock.Interface
	config Config
}

// New returns an elector and its gate. lock may be nil when the election is switched off: the gate is then open as long as
// the elector runs.
func New(c clock.PassiveClock, lock resourcelock.Interface, config Config) (*Elector, *Gate) {
	maxAge := config.RenewDeadline
	if !config.Enabled {
		maxAge = 0
	}
	gate := NewGate(c, maxAge)
	return &Elector{gate: gate, lock: recordingLock{lock, gate, c}, config: config}, gate
}

// NeedLeaderElection tells controller-runtime to start this runnable without an election of its own.
func (e *Elector) NeedLeaderElection() bool { return false }

// Start stands for election again and again until ctx is done. On the way out all work is awaited before the lease is given up.
func (e *Elector) Start(ctx context.Context) error {
	if !e.config.Enabled {
		e.gate.begin(ctx)
		<-ctx.Done()
		e.gate.finish()
		return nil
	}
	for ctx.Err() == nil {
		le, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock:          e.lock,
			LeaseDuration: e.config.LeaseDuration,
			RenewDeadline: e.config.RenewDeadline,
			RetryPeriod:   e.config.RetryPeriod,
			// The elector would give the lease up before the work has ended.
			ReleaseOnCancel: false,
			Name:            "failure-watcher",
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: e.lead,
				OnStoppedLeading: e.gate.finish,
			},
		})
		if err != nil {
			return fmt.Errorf("leader election: %w", err)
		}
		le.Run(ctx)
	}
	e.release(context.WithoutCancel(ctx))
	return nil
}

func (e *Elector) lead(term context.Context) {
	klog.FromContext(term).Info("This watcher leads")
	e.gate.begin(term)
}

// release gives the lease up at a clean end, so that the next watcher need not wait for it to run out.
func (e *Elector) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.config.RetryPeriod)
	defer cancel()
	record, _, err := e.lock.Get(ctx)
	if err != nil || record.HolderIdentity != e.lock.Identity() {
		return
	}
	record.HolderIdentity = ""
	record.LeaseDurationSeconds = 1
	if err := e.lock.Update(ctx, *record); err != nil {
		klog.FromContext(ctx).Info("Could not give up the leader lease; the next watcher waits until it runs out", "err", err)
	}
}

// recordingLock remembers when the last acknowledged write of the lease was begun.
type recordingLock struct {
	resourcelock.Interface
	gate  *Gate
	clock clock.PassiveClock
}

func (l recordingLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	start := l.clock.Now()
	return l.done(start, l.Interface.Create(ctx, r))
}

func (l recordingLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	start := l.clock.Now()
	return l.done(start, l.Interface.Update(ctx, r))
}

func (l recordingLock) done(start time.Time, err error) error {
	if err == nil {
		l.gate.renewedAt(start)
	}
	return err
}
