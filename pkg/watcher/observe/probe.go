// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// The rhythm of the probe: with these a gap is noticed after MaxGap at most.
const (
	probeInterval = 2 * time.Second
	probeTimeout  = 3 * time.Second
)

// Probe asks the API server for something small again and again, and tells the tracker when it answers. It is a
// manager.Runnable that runs in every process, so that a new leader has clocks that ran already.
type Probe struct {
	Tracker *Tracker
	Clock   clock.WithTicker
	// Ask makes one quorum read; an error means no answer.
	Ask func(ctx context.Context) error

	silent bool
}

// NeedLeaderElection tells controller-runtime to start this runnable in every process.
func (p *Probe) NeedLeaderElection() bool { return false }

// Start probes until ctx is done.
func (p *Probe) Start(ctx context.Context) error {
	ticker := p.Clock.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		p.once(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

func (p *Probe) once(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	log := klog.FromContext(ctx)
	if err := p.Ask(asking); err != nil {
		if !p.silent && ctx.Err() == nil {
			log.Info("The API server does not answer; lease clocks stop if this lasts", "after", MaxGap, "err", err)
		}
		p.silent = true
		return
	}
	p.silent = false
	if gap := p.Tracker.Answered(); gap > 0 {
		log.Info("The API server answers again; all lease clocks start again from now", "gap", gap)
	}
}
