// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package perscheduler makes the profiles of one scheduler share what each of
// them needs: one informer, one view. It does not know what that is.
package perscheduler

import (
	"context"
	"sync"

	fwk "k8s.io/kube-scheduler/framework"
)

// Pool hands out one T per scheduler. One Pool belongs to one plugin registry, which may serve several schedulers, as in
// scheduler_perf; nothing is global.
type Pool[T any] struct {
	start func(context.Context, fwk.Handle) (T, error)
	mu    sync.Mutex
	of    map[fwk.SharedLister]*T
}

// NewPool returns an empty pool. start makes a T, which has to end with the context that it is given.
func NewPool[T any](start func(context.Context, fwk.Handle) (T, error)) *Pool[T] {
	return &Pool[T]{start: start, of: map[fwk.SharedLister]*T{}}
}

// For returns the T of the scheduler that a handle belongs to, and starts it when it is asked for the first time. It is
// forgotten with ctx, which must be the scheduler's. A scheduler is known by its snapshot of the cluster: all its
// profiles have the same one. A handle without one (some tests have none) gets a T of its own.
func (p *Pool[T]) For(ctx context.Context, handle fwk.Handle) (T, error) {
	scheduler := handle.SnapshotSharedLister()
	if scheduler == nil {
		return p.start(ctx, handle)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if shared, ok := p.of[scheduler]; ok {
		return *shared, nil
	}
	started, err := p.start(ctx, handle)
	if err != nil {
		return started, err
	}
	shared := &started
	p.of[scheduler] = shared
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.of[scheduler] == shared {
			delete(p.of, scheduler)
		}
	})
	return started, nil
}
