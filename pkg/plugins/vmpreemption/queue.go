// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// PreEnqueue holds a pod back while what is to be done to its victims is being written, as upstream does. While VMs move for it, it is
// not held back: it may find another host meanwhile.
func (pl *VMPreemption) PreEnqueue(_ context.Context, pod *corev1.Pod) *fwk.Status {
	if pl.evaluator.IsPodRunningPreemption(pod.UID) {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "waiting for the preemption for this pod to be written")
	}
	return nil
}

// EventsToRegister implements fwk.EnqueueExtensions. Upstream counts on the victims: their deletion wakes a pod that was held back. Those
// that move stay for minutes, and for so long the pod would find no other host; so whatever happens to a node wakes it, too. Only pods that
// were held back are asked about.
func (pl *VMPreemption) EventsToRegister(ctx context.Context) ([]fwk.ClusterEventWithHint, error) {
	events, err := pl.DefaultPreemption.EventsToRegister(ctx)
	if err != nil || len(events) == 0 {
		return events, err // without asynchronous preemption nobody is held back
	}
	return append(events, fwk.ClusterEventWithHint{
		Event: fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.Update}, QueueingHintFn: pl.written,
	}, fwk.ClusterEventWithHint{
		Event: fwk.ClusterEvent{Resource: fwk.Pod, ActionType: fwk.Delete}, QueueingHintFn: pl.written,
	}), nil
}

// written lets a pod be tried that is not held back any more: what happened while it was is forgotten.
func (pl *VMPreemption) written(_ klog.Logger, pod *corev1.Pod, _, _ any) (fwk.QueueingHint, error) {
	if pl.evaluator.IsPodRunningPreemption(pod.UID) {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}
