// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// What is said of a host that would be over a cap, and of a VM that would be even with the host for itself.
const (
	reasonHostVCPUs     = "host would have more vCPUs than its cap allows"
	reasonHostMemory    = "host would have more guest memory than its cap allows"
	reasonHostHugePages = "host would have more guest memory in huge pages than it has huge pages"
	reasonVMVCPUs       = "VM has more vCPUs than the host's cap allows"
	reasonVMMemory      = "VM has more guest memory than the host's cap allows"
	reasonVMHugePages   = "VM has more guest memory in huge pages than the host has huge pages"
)

// PreFilter brings the view up to date; it skips Filter for a pod that is no VM, and where there are no caps.
func (pl *VMUtilization) PreFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if !adapt.IsVM(pod) || (!pl.caps.Any() && !pl.overrides.any()) {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	if _, err := pl.view.Begin(ctx, state, pod); err != nil {
		return nil, fwk.AsStatus(err)
	}
	return nil, nil
}

// PreFilterExtensions is nil: what Filter looks at is computed from the NodeInfo that it is given.
func (pl *VMUtilization) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

// Filter refuses a host that would be over one of its caps with the VM on it. The guests of all launchers count that are on the host: a
// VM that migrates counts at both its hosts until one of its launchers has gone, as both may have to hold it.
func (pl *VMUtilization) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	node := info.Node()
	if node == nil {
		return nil
	}
	caps := pl.capsOn(node)
	if !caps.Any() {
		return nil
	}
	cycle, err := pl.view.Cycle(ctx, state, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if cycle.VM == nil {
		return nil
	}
	size := cycle.VM.Size
	host := cycle.Without(pl.view.Host(info))
	guests := host.Here.Guests(size.PageSize).Plus(size, size.PageSize)
	excess := caps.Exceeded(roomFor(info, &host.Others, size.PageSize), guests, size.PageSize)
	if excess == 0 {
		return nil
	}
	return refusal(excess, alone(caps, adapt.RoomOf(info.GetAllocatable(), size.PageSize), size))
}

// alone says which caps a VM exceeds that has a host for itself. No preemption helps against that.
func alone(caps rank.Caps, allocatable model.Room, size model.Size) rank.Excess {
	return caps.Exceeded(allocatable, model.Guests{}.Plus(size, size.PageSize), size.PageSize)
}

func refusal(excess, alone rank.Excess) *fwk.Status {
	code := fwk.Unschedulable
	if alone != 0 {
		code = fwk.UnschedulableAndUnresolvable
	}
	var reasons []string
	for _, r := range []struct {
		excess   rank.Excess
		vm, host string
	}{
		{rank.ExcessVCPUs, reasonVMVCPUs, reasonHostVCPUs},
		{rank.ExcessMemory, reasonVMMemory, reasonHostMemory},
		{rank.ExcessHugePages, reasonVMHugePages, reasonHostHugePages},
	} {
		switch {
		case alone&r.excess != 0:
			reasons = append(reasons, r.vm)
		case excess&r.excess != 0:
			reasons = append(reasons, r.host)
		}
	}
	return fwk.NewStatus(code, reasons...)
}
