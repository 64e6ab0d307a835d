// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package election lets one watcher work at a time. Unlike a controller-runtime manager, which ends the process when it loses
// the lead, it lets go of the work, waits until every pass under way has ended, and stands again: an API server that is
// away for half a minute costs the lead, but not what the process has seen of the nodes.
//
// Only leadership lives here; what is done with it belongs to the callers of Gate.
package election

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// ErrNotLeading is returned by Check when this process may not write.
var ErrNotLeading = errors.New("this watcher does not hold the leader lease, or has not renewed it in time")

// Gate is open while this process leads. Work enters it and is cancelled and awaited when the lead is lost.
type Gate struct {
	clock clock.PassiveClock
	// maxAge is for how long after the start of the last acknowledged renewal the lead may be relied upon; 0: no election.
	maxAge time.Duration

	mu      sync.Mutex
	term    context.Context //nolint:containedctx // the term is a context: work is cancelled with it
	end     context.CancelFunc
	renewed time.Time
	working sync.WaitGroup
	changed chan struct{}
}

// NewGate returns a closed gate. maxAge must be below the lease's duration: another process may lead after that.
func NewGate(c clock.PassiveClock, maxAge time.Duration) *Gate {
	return &Gate{clock: c, maxAge: maxAge, changed: make(chan struct{})}
}

// Enter returns a context that ends with the term, and a function to call when the work has ended; ok is false, and
// nothing may be done, when this process does not lead.
func (g *Gate) Enter(ctx context.Context) (work context.Context, leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stale() {
		return nil, nil, false
	}
	term := g.term
	g.working.Add(1)
	work, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(term, cancel)
	return work, func() {
		stop()
		cancel()
		g.working.Done()
	}, true
}

// Check returns ErrNotLeading unless this process leads by a renewal younger than maxAge. It is asked before each write
// that releases anything: a process that was paused finds out here.
func (g *Gate) Check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stale() {
		return ErrNotLeading
	}
	return nil
}

// stale says that no term is on, or that its last renewal is too old to rely on it.
func (g *Gate) stale() bool {
	return g.term == nil || g.maxAge > 0 && g.clock.Since(g.renewed) > g.maxAge
}

// Leading says whether a term is on, and returns a channel that is closed when that changes.
func (g *Gate) Leading() (leading bool, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.term != nil, g.changed
}

func (g *Gate) begin(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// The elector calls this from a goroutine of its own: the term may be over already.
	if g.term != nil || ctx.Err() != nil {
		return
	}
	g.term, g.end = context.WithCancel(ctx)
	g.signal()
}

// finish ends the term and waits for all work to leave.
func (g *Gate) finish() {
	g.mu.Lock()
	if g.term == nil {
		g.mu.Unlock()
		return
	}
	g.end()
	g.term = nil
	g.signal()
	g.mu.Unlock()
	g.working.Wait()
}

func (g *Gate) signal() {
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *Gate) renewedAt(t time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.renewed = t
}
