// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fit

import (
	corev1 "k8s.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Health is what is known of a host besides what its labels and devices allow.
type Health struct {
	// Beats is true when the heart of its virt-handler was seen to beat within the tolerance.
	Beats bool
	// Failed is true when a NodeFailure that names the host is open.
	Failed bool
}

// Healthy says whether VMs may be placed on a host at all, now. What a VM tolerates makes no difference.
func Healthy(node *corev1.Node, health Health) Verdict {
	switch {
	case health.Failed || hasFailureTaint(node):
		return Verdict{Reason: ReasonNodeFailure}
	case node.Labels[LabelSchedulable] != valueTrue:
		return Verdict{Reason: ReasonNotSchedulable}
	case !health.Beats:
		return Verdict{Reason: ReasonNoHeartbeat}
	}
	return Verdict{}
}

// hasFailureTaint looks for the taint that our failure-watcher puts on a node that it treats as failed, whatever its effect: it says what we know, not only what it forbids.
func hasFailureTaint(node *corev1.Node) bool {
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].Key == failurev1alpha1.TaintKey {
			return true
		}
	}
	return false
}

// Receives says whether a healthy host takes VMs that are moved: not while it is cordoned or not ready.
func Receives(node *corev1.Node) bool {
	if node.Spec.Unschedulable {
		return false
	}
	for i := range node.Status.Conditions {
		if condition := &node.Status.Conditions[i]; condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return true // a node that says nothing of itself is one whose kubelet has yet to report
}
