// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/util"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
)

// EventsToRegister names what can make a host that was refused one for the VM. Changes of VirtualMachineInstances and
// NodeFailures wake VMs on a way of their own (pkg/pending): a custom resource here would hold back the whole scheduler
// until its CRD exists.
func (pl *VMNodeSelection) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	on := func(action fwk.ActionType, hint fwk.QueueingHintFn) fwk.ClusterEventWithHint {
		return fwk.ClusterEventWithHint{Event: fwk.ClusterEvent{Resource: fwk.Node, ActionType: action}, QueueingHintFn: hint}
	}
	return []fwk.ClusterEventWithHint{
		on(fwk.Add|fwk.UpdateNodeLabel|fwk.UpdateNodeTaint, pl.isSchedulableAfterNodeChange),
		on(fwk.UpdateNodeAnnotation, pl.isSchedulableAfterHeartbeat),
		on(fwk.UpdateNodeAllocatable, pl.isSchedulableAfterDeviceChange),
	}, nil
}

// isSchedulableAfterNodeChange wakes a VM when a host is for it now that was not, or was not there. Of taints only that
// of a failed host counts.
func (pl *VMNodeSelection) isSchedulableAfterNodeChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	before, after, err := util.As[*corev1.Node](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	return pl.hint(logger, pod, before, after), nil
}

// isSchedulableAfterHeartbeat wakes a VM when a virt-handler is heard of again that was not. Other annotations, and the
// beats of virt-handlers that live, thousands of them per minute in a large cluster, cost a comparison.
func (pl *VMNodeSelection) isSchedulableAfterHeartbeat(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	before, after, err := util.As[*corev1.Node](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	if before == nil || before.Annotations[kubevirtv1.VirtHandlerHeartbeat] == after.Annotations[kubevirtv1.VirtHandlerHeartbeat] ||
		!pl.beats.Revived(before, after, pl.beats.Now(), pl.tolerance) {
		return fwk.QueueSkip, nil
	}
	return pl.hint(logger, pod, before, after), nil
}

// isSchedulableAfterDeviceChange wakes a VM with devices of the host's when a host has come to have them.
func (pl *VMNodeSelection) isSchedulableAfterDeviceChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	before, after, err := util.As[*corev1.Node](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	vm := pl.view.VM(pod)
	if vm == nil || vm.Wishes == nil || len(vm.Wishes.Devices) == 0 {
		return fwk.QueueSkip, nil
	}
	return pl.hint(logger, pod, before, after), nil
}

// hint compares the verdict on a node before and after a change.
func (pl *VMNodeSelection) hint(logger klog.Logger, pod *corev1.Pod, before, after *corev1.Node) fwk.QueueingHint {
	vm := pl.view.VM(pod)
	if vm == nil {
		return fwk.QueueSkip
	}
	g := pl.guests.of(vm)
	now := pl.beats.Now()
	if verdict := pl.judgeNode(g, after, pl.beats.Alive(after, now, pl.tolerance)); !verdict.OK() {
		logger.V(5).Info("node was created or updated, but is still not for the VM",
			"pod", klog.KObj(pod), "node", klog.KObj(after), "reason", verdict.String())
		return fwk.QueueSkip
	}
	if before != nil {
		alive := before.Annotations[kubevirtv1.VirtHandlerHeartbeat] != "" && !pl.beats.Revived(before, after, now, pl.tolerance)
		if pl.judgeNode(g, before, alive).OK() {
			logger.V(5).Info("node was updated, and is as much for the VM as it was", "pod", klog.KObj(pod), "node", klog.KObj(after))
			return fwk.QueueSkip
		}
	}
	logger.V(5).Info("node was created or updated, and is for the VM now", "pod", klog.KObj(pod), "node", klog.KObj(after))
	return fwk.Queue
}

// judgeNode is Filter for a node that is not, or not yet, in the scheduler's snapshot. Whether a NodeFailure is open is
// left out: when it is closed, that alone wakes the VM.
func (pl *VMNodeSelection) judgeNode(g *guest, node *corev1.Node, alive bool) fit.Verdict {
	if verdict := fit.Healthy(node, fit.Health{Beats: alive}); !verdict.OK() {
		return verdict
	}
	for _, device := range g.demands.Devices() {
		if quantity := node.Status.Allocatable[corev1.ResourceName(device)]; quantity.Sign() <= 0 {
			return fit.Verdict{Reason: fit.ReasonDevice, Detail: device}
		}
	}
	return g.demands.Judge(fit.HostOf(node.Labels), pl.insist)
}
