// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package heartbeats

import (
	"context"
	"fmt"
	"sync"

	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"
)

// Pool hands out one Source per scheduler, whose profiles share it. One Pool belongs to one plugin registry, which
// may serve several schedulers; nothing is global.
type Pool struct {
	clock   clock.PassiveClock
	mu      sync.Mutex
	sources map[fwk.SharedLister]*Source
}

// NewPool returns an empty pool whose sources measure time by a clock.
func NewPool(clock clock.PassiveClock) *Pool {
	return &Pool{clock: clock, sources: map[fwk.SharedLister]*Source{}}
}

// For returns the Source of the scheduler that a handle belongs to, and starts it when it is asked for the first
// time. It ends, and is forgotten, with ctx, which must be the scheduler's. A scheduler is known by its snapshot; a
// handle without one (some tests have none) gets a Source of its own.
func (p *Pool) For(ctx context.Context, handle fwk.Handle) (*Source, error) {
	scheduler := handle.SnapshotSharedLister()
	p.mu.Lock()
	defer p.mu.Unlock()
	if source, ok := p.sources[scheduler]; ok && scheduler != nil {
		return source, nil
	}
	source, err := start(ctx, handle, p.clock)
	if err != nil {
		return nil, fmt.Errorf("watching heartbeats of nodes: %w", err)
	}
	if scheduler == nil {
		return source, nil
	}
	p.sources[scheduler] = source
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.sources[scheduler] == source {
			delete(p.sources, scheduler)
		}
	})
	return source, nil
}
