// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtopologyspread

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

// PreFilter lets upstream count pods, on nodes without those that do not count for a VM. For pods that are no VMs all
// count, as upstream has it.
func (pl *VMTopologySpread) PreFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if vm, ok := adapt.VMOf(pod); ok {
		var err error
		if nodes, err = pl.nodesFor(ctx, state, pod, vm, nodes); err != nil {
			return nil, fwk.AsStatus(err)
		}
	}
	return pl.upstream.PreFilter(ctx, apart{state}, pod, nodes)
}

// nodesFor returns the nodes as they are for a VM, and leaves in the state what of them it has left out.
func (pl *VMTopologySpread) nodesFor(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, vm types.UID, nodes []fwk.NodeInfo) ([]fwk.NodeInfo, error) {
	constraints, err := constraintsOf(pod, pl.compare)
	if err != nil || len(constraints.all) == 0 {
		return nodes, err
	}
	if _, err := pl.view.Begin(ctx, state, pod); err != nil {
		return nil, err
	}
	logger := klog.FromContext(ctx)
	c, drop := pl.count(logger, vm, constraints)
	if len(drop) == 0 {
		return nodes, nil
	}
	state.Write(stateKey, c)
	return without(logger, nodes, drop)
}

// count finds, by node, the pods that do not count: those of the VM itself, and of another VM those that it has left, or that are
// where it counts already.
func (pl *VMTopologySpread) count(logger klog.Logger, vm types.UID, constraints *constraints) (*counted, map[string][]*corev1.Pod) {
	c := &counted{never: map[types.UID]struct{}{}, group: map[types.UID]int{}}
	drop := map[string][]*corev1.Pod{}
	dropOne := func(l *clusterview.Launcher) { drop[l.Node.Name] = append(drop[l.Node.Name], l.Pod.GetPod()) }
	leave := func(l *clusterview.Launcher) {
		dropOne(l)
		c.never[l.Pod.GetPod().UID] = struct{}{}
	}
	for _, l := range pl.view.Launchers(vm) {
		leave(&l)
	}
	type same struct {
		vm       types.UID
		likeness string
	}
	groups := map[same]int{}
	pl.view.Exceptions(vm, func(l clusterview.Launcher) {
		if !l.Presence.Anti {
			leave(&l)
			return
		}
		likeness := constraints.likeness(logger, &l)
		if likeness == "" {
			return
		}
		group, again := groups[same{l.VM, likeness}]
		if again {
			dropOne(&l)
		} else {
			group = len(c.there)
			groups[same{l.VM, likeness}] = group
			c.there = append(c.there, 0)
		}
		c.group[l.Pod.GetPod().UID] = group
		c.there[group]++
	})
	return c, drop
}

// without returns the nodes without some of their pods. The list that it is given is the snapshot's own, and stays as it is.
func without(logger klog.Logger, nodes []fwk.NodeInfo, drop map[string][]*corev1.Pod) ([]fwk.NodeInfo, error) {
	nodes = slices.Clone(nodes)
	for i, info := range nodes {
		pods := drop[info.Node().Name]
		if len(pods) == 0 {
			continue
		}
		changed := info.Snapshot()
		for _, pod := range pods {
			if err := changed.RemovePod(logger, pod); err != nil {
				return nil, err
			}
		}
		nodes[i] = changed
	}
	return nodes, nil
}

// PreFilterExtensions implements fwk.PreFilterPlugin.
func (pl *VMTopologySpread) PreFilterExtensions() fwk.PreFilterExtensions { return pl }

// AddPod counts a pod in, as upstream does, if that makes a difference.
func (pl *VMTopologySpread) AddPod(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, added fwk.PodInfo, info fwk.NodeInfo) *fwk.Status {
	if changes, err := changed(state, pod, added.GetPod(), 1); !changes || err != nil {
		return fwk.AsStatus(err)
	}
	return pl.upstream.PreFilterExtensions().AddPod(ctx, apart{state}, pod, added, info)
}

// RemovePod counts a pod out, if that makes a difference.
func (pl *VMTopologySpread) RemovePod(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, removed fwk.PodInfo, info fwk.NodeInfo) *fwk.Status {
	if changes, err := changed(state, pod, removed.GetPod(), -1); !changes || err != nil {
		return fwk.AsStatus(err)
	}
	return pl.upstream.PreFilterExtensions().RemovePod(ctx, apart{state}, pod, removed, info)
}

// changed notes that a pod came or went, and is true when that changes what counts for the pod that is placed.
func changed(state fwk.CycleState, placed, pod *corev1.Pod, by int) (bool, error) {
	if vm, ok := adapt.VMOf(placed); ok {
		if own, is := adapt.VMOf(pod); is && own == vm {
			return false, nil
		}
	}
	c, ok, err := adapt.ReadState[*counted](state, stateKey)
	if err != nil {
		return false, err
	}
	return !ok || c.change(pod.UID, by), nil
}
