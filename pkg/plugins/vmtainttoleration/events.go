// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/util"
)

// EventsToRegister names what can make a host let in a VM that Filter refused: its taints, or the VM's tolerations.
// Conditions of nodes are not among them: they count in the score only.
func (pl *VMTaintToleration) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		{
			Event:          fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeTaint},
			QueueingHintFn: pl.isSchedulableAfterNodeChange,
		},
		{
			Event:          fwk.ClusterEvent{Resource: fwk.Pod, ActionType: fwk.UpdatePodToleration},
			QueueingHintFn: pl.isSchedulableAfterTolerationChange,
		},
	}, nil
}

// isSchedulableAfterNodeChange wakes a VM when a host lets it in that did not before, or was not there. Upstream's rule
// is part of the question: an evacuation taint that makes way for one that nothing tolerates is no reason to wake.
func (pl *VMTaintToleration) isSchedulableAfterNodeChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	before, after, err := util.As[*corev1.Node](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	let := before != nil && pl.admission.LetsIn(pod.Spec.Tolerations, before.Spec.Taints)
	if let || !pl.admission.LetsIn(pod.Spec.Tolerations, after.Spec.Taints) {
		logger.V(5).Info("node was created or updated, but its taints do not let the VM in that kept it out before",
			"pod", klog.KObj(pod), "node", klog.KObj(after))
		return fwk.QueueSkip, nil
	}
	logger.V(5).Info("node was created or updated, and its taints let the VM in", "pod", klog.KObj(pod), "node", klog.KObj(after))
	return fwk.Queue, nil
}

// isSchedulableAfterTolerationChange wakes a VM when its own tolerations change.
func (pl *VMTaintToleration) isSchedulableAfterTolerationChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	_, after, err := util.As[*corev1.Pod](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	if after.UID != pod.UID {
		logger.V(5).Info("tolerations of another pod changed", "pod", klog.KObj(pod), "changed", klog.KObj(after))
		return fwk.QueueSkip, nil
	}
	logger.V(5).Info("the VM's tolerations changed, and may let it in", "pod", klog.KObj(pod))
	return fwk.Queue, nil
}
