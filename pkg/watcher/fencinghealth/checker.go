// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fencinghealth reads the BMC of every node while nothing is wrong, and says in the node condition
// VirtSchedulerFencingReady whether it could be used now. It finds the BMCs that must not be believed: one that says Off of a node
// that lives, and one that is mapped to two nodes. For those the driver is disabled, by the condition itself, so that a restart
// forgets nothing, until the BMC has said On of the right machine.
//
// It only reads BMCs. Power actions and proofs belong to incidents.
package fencinghealth

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/election"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/metrics"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

const (
	// parallel bounds the readings under way at once.
	parallel = 10
	// recheck is how soon a reading that may mean something is repeated.
	recheck = 5 * time.Second
	// spreadAtMost is the time over which the first readings of all BMCs are spread.
	spreadAtMost = 10 * time.Second
)

// Options are the checker's. All are required but Override.
type Options struct {
	// Live writes the conditions.
	Live    client.Client
	Nodes   *observe.Nodes
	Tracker *observe.Tracker
	Gate    *election.Gate
	Fencing *fencing.Registry
	// Hosts are the configured nodes.
	Hosts []fencing.Host
	// Override is the System UUID accepted for a node's BMC in place of its own; empty: none.
	Override func(node string) string
	// Busy says that a node has an open incident: its BMC is read there.
	Busy func(node string) bool
	// Interval is the time between two readings of a healthy node's BMC.
	Interval time.Duration
	Recorder events.EventRecorder
	Clock    clock.WithTicker
}

// Checker is a manager.Runnable that works while this process leads.
type Checker struct {
	Options
	shared map[string][]string
	slots  chan struct{}

	mu    sync.Mutex
	hosts map[string]*host
}

// host is what is remembered of a node's BMC.
type host struct {
	next    time.Time
	running bool
	// failures in a row; off is when the first of the Off readings in a row was made; uuid is what was read last.
	failures int
	off      time.Time
	uuid     string
	// distrusted is why the driver is disabled, kept here too for the time until the condition is written.
	distrusted verdict
}

// New returns a checker.
func New(opts Options) *Checker {
	c := &Checker{
		Options: opts,
		shared:  fencing.SharedSystems(opts.Hosts),
		slots:   make(chan struct{}, parallel),
		hosts:   map[string]*host{},
	}
	for _, h := range opts.Hosts {
		c.hosts[h.NodeName] = &host{}
	}
	return c
}

// NeedLeaderElection tells controller-runtime to start this runnable in every process; the gate says which one works.
func (c *Checker) NeedLeaderElection() bool { return false }

// Start checks until ctx is done.
func (c *Checker) Start(ctx context.Context) error {
	c.spread()
	ticker := c.Clock.NewTicker(time.Second)
	defer ticker.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		if leading, _ := c.Gate.Leading(); leading && c.Tracker.Answering() {
			for _, node := range c.due() {
				wg.Go(func() { c.one(ctx, node) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

func (c *Checker) spread() {
	c.mu.Lock()
	defer c.mu.Unlock()
	over := min(c.Interval, spreadAtMost)
	now := c.Clock.Now()
	i := 0
	for _, h := range c.hosts {
		h.next = now.Add(over * time.Duration(i) / time.Duration(len(c.hosts)))
		i++
	}
}

// due takes the nodes whose time has come, and marks them as running.
func (c *Checker) due() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Clock.Now()
	var due []string
	for node, h := range c.hosts {
		if !h.running && !now.Before(h.next) && c.Nodes.Get(node) != nil {
			h.running = true
			due = append(due, node)
		}
	}
	return due
}

func (c *Checker) one(ctx context.Context, node string) {
	after := recheck
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		h := c.hosts[node]
		h.running = false
		h.next = c.Clock.Now().Add(after)
	}()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return
	}
	ctx, leave, ok := c.Gate.Enter(ctx)
	if !ok {
		return
	}
	defer leave()
	if c.Busy(node) {
		c.forgetOff(node)
		return
	}
	driver, ok := c.Fencing.For(node)
	if !ok {
		return
	}
	began := c.Clock.Now()
	reading, err := driver.Read(ctx, node)
	if ctx.Err() != nil || c.Busy(node) {
		return
	}
	if err != nil {
		metrics.PowerReads.WithLabelValues("error").Inc()
	} else {
		metrics.PowerReads.WithLabelValues(string(reading.Power)).Inc()
	}
	verdict, others, soon := c.judge(node, began, reading, err)
	if !soon {
		after = c.Interval
	}
	c.publish(ctx, node, verdict)
	for _, other := range others {
		c.publish(ctx, other, verdict)
	}
}

func (c *Checker) forgetOff(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[node].off = time.Time{}
}

// Disabled says why the node's BMC must not be believed; empty when it may. A condition that is already repaired but not yet
// seen by the watch still counts: that errs on the safe side.
func (c *Checker) Disabled(_ context.Context, node string) string {
	c.mu.Lock()
	if h := c.hosts[node]; h != nil && h.distrusted.reason != "" {
		defer c.mu.Unlock()
		return h.distrusted.text()
	}
	c.mu.Unlock()
	if v := current(c.Nodes.Get(node)); v.disables() {
		return v.text()
	}
	return ""
}

// Distrust disables the BMC of a node until it has said On of the right machine.
func (c *Checker) Distrust(ctx context.Context, node, message string) {
	v := verdict{reason: ReasonOffWhileReady, message: message}
	c.mu.Lock()
	if h := c.hosts[node]; h != nil {
		h.distrusted = v
	}
	c.mu.Unlock()
	klog.FromContext(ctx).Info("The node's BMC is not believed any more", "node", node, "message", message)
	c.publish(ctx, node, v)
}
