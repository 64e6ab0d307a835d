// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"context"
	"fmt"
	"sync"

	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/nodefailures"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/vmis"
	"github.com/virt-scheduler/virt-scheduler/pkg/pending"
)

var (
	_ VMs      = &vmis.Source{}
	_ Failures = &nodefailures.Source{}
)

// Pool hands out one View per scheduler, whose profiles share it. One Pool belongs to one plugin registry, which may
// serve several schedulers; nothing is global.
type Pool struct {
	vms   *vmis.Pool
	mu    sync.Mutex
	views map[fwk.SharedLister]*View
}

// NewPool returns an empty pool.
func NewPool() *Pool {
	return &Pool{vms: vmis.NewPool(), views: map[fwk.SharedLister]*View{}}
}

// For returns the View of the scheduler that a handle belongs to. When it is asked for the first time it begins to
// watch what the view follows besides the snapshot, VirtualMachineInstances and NodeFailures, and to wake the VMs that
// wait for such. It ends, and is forgotten, with ctx, which must be the scheduler's. A scheduler is known by its snapshot: all its profiles have the
// same one. A handle without one (some tests have none) gets a View of its own, which cannot be refreshed.
func (p *Pool) For(ctx context.Context, handle fwk.Handle) (*View, error) {
	scheduler := handle.SnapshotSharedLister()
	if scheduler == nil {
		return p.start(ctx, handle)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if view, ok := p.views[scheduler]; ok {
		return view, nil
	}
	view, err := p.start(ctx, handle)
	if err != nil {
		return nil, err
	}
	p.views[scheduler] = view
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.views[scheduler] == view {
			delete(p.views, scheduler)
		}
	})
	return view, nil
}

func (p *Pool) start(ctx context.Context, handle fwk.Handle) (*View, error) {
	vms, err := p.vms.For(ctx, handle)
	if err != nil {
		return nil, fmt.Errorf("starting to watch VirtualMachineInstances: %w", err)
	}
	failures, err := nodefailures.Start(ctx, handle.KubeConfig())
	if err != nil {
		return nil, fmt.Errorf("starting to watch NodeFailures: %w", err)
	}
	view := newView(handle.SnapshotSharedLister(), vms, failures, maxValues)
	if handle.SharedInformerFactory() == nil {
		return view, nil // no scheduler's handle; then there are no pods that could wait
	}
	// After the view has subscribed: a pod that is tried again is to find the view told of the change.
	waker, err := pending.Start(ctx, handle)
	if err != nil {
		return nil, fmt.Errorf("starting to wake waiting VMs: %w", err)
	}
	vms.Subscribe(waker.Wake)
	vms.SubscribeShrunk(waker.WakeAll)
	failures.Subscribe(func(string) { waker.WakeAll() })
	return view, nil
}
