// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/nodefailures"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/perscheduler"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/vmis"
	"github.com/virt-scheduler/virt-scheduler/pkg/pending"
)

var (
	_ VMs      = &vmis.Source{}
	_ Failures = &nodefailures.Source{}
)

// Pool hands out one View per scheduler, whose profiles share it.
type Pool = perscheduler.Pool[*View]

// NewPool returns an empty pool. A View that it hands out watches what it follows besides the snapshot,
// VirtualMachineInstances and NodeFailures, and wakes the VMs that wait for such. One of a handle without a snapshot
// cannot be refreshed.
func NewPool() *Pool { return perscheduler.NewPool(start) }

func start(ctx context.Context, handle fwk.Handle) (*View, error) {
	vms, err := vmis.Start(ctx, handle.KubeConfig())
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
	vms.Subscribe(func(vm types.UID) {
		waker.Wake(vm)
		if view.moves(vm) {
			waker.WakeAll() // it may have arrived where others want to be, or left where they must not
		}
	})
	vms.SubscribeShrunk(waker.WakeAll)
	failures.Subscribe(func(string) { waker.WakeAll() })
	return view, nil
}
