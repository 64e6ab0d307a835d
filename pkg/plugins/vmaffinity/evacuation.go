// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// mustGo is true for a VM whose required affinity is a preference: it is to leave the host on which it runs, and nothing
// may stay there. That KubeVirt wants to move it is not enough: each accepted eviction does.
func (pl *VMAffinity) mustGo(vm *model.VM) bool {
	if !pl.relaxes || vm.Evacuating == "" {
		return false
	}
	launchers := pl.view.Launchers(vm.UID)
	for i := range launchers {
		if launchers[i].Presence.Affinity {
			return launchers[i].Node.Name == vm.Evacuating && pl.mustLeave(launchers[i].Node)
		}
	}
	return false
}

// mustLeave is true for a host that no VM may stay on: it is cordoned, or has a taint that says so.
func (pl *VMAffinity) mustLeave(node *corev1.Node) bool {
	if node.Spec.Unschedulable {
		return true
	}
	for i := range node.Spec.Taints {
		taint := &node.Spec.Taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if taint.Key == corev1.TaintNodeUnschedulable || pl.evacuation.Has(taint.Key) {
			return true
		}
	}
	return false
}

// mayRelax is true for a VM whose required affinity is, or may soon be, a preference.
func (pl *VMAffinity) mayRelax(pod *corev1.Pod) bool {
	if !pl.relaxes {
		return false
	}
	vm := pl.view.VM(pod)
	return vm != nil && vm.Evacuating != ""
}
