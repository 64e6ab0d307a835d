// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	corev1 "k8s.io/api/core/v1"
)

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
