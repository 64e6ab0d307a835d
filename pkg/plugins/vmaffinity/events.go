// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/util"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
)

// EventsToRegister names what can make a host that was refused one for the pod. Changes of VirtualMachineInstances and
// NodeFailures wake VMs on a way of their own (pkg/pending).
func (pl *VMAffinity) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	on := func(resource fwk.EventResource, action fwk.ActionType, hint fwk.QueueingHintFn) fwk.ClusterEventWithHint {
		return fwk.ClusterEventWithHint{Event: fwk.ClusterEvent{Resource: resource, ActionType: action}, QueueingHintFn: hint}
	}
	events := []fwk.ClusterEventWithHint{
		on(fwk.Pod, fwk.Add|fwk.UpdatePodLabel|fwk.Delete, pl.isSchedulableAfterPodChange),
		on(fwk.Node, fwk.Add|fwk.UpdateNodeLabel, pl.isSchedulableAfterNodeChange),
	}
	if pl.relaxes {
		events = append(events, on(fwk.Node, fwk.UpdateNodeTaint, pl.isSchedulableAfterTaintChange))
	}
	return events, nil
}

// isSchedulableAfterPodChange wakes a pod when another comes, goes or changes its labels on a host, so that terms of the
// one or the other let the pod in there or elsewhere.
func (pl *VMAffinity) isSchedulableAfterPodChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	before, after, err := util.As[*corev1.Pod](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	if after != nil && after.UID == pod.UID && pod.UID != "" {
		logger.V(5).Info("the pod's own labels changed, and terms look at them", "pod", klog.KObj(pod))
		return fwk.Queue, nil
	}
	if before != nil && before.Spec.NodeName == "" || after != nil && after.Spec.NodeName == "" {
		return fwk.QueueSkip, nil // it is on no host
	}
	t, err := pl.termsOf(pod)
	if err != nil {
		return fwk.Queue, err
	}
	wakes := false
	switch {
	case after == nil:
		wakes, err = pl.lets(t, pod, before)
	case before == nil:
		wakes = matchesAll(t.affinity, after)
	default:
		wakes = t.letsIn(pod, before, after)
	}
	if err != nil {
		return fwk.Queue, err
	}
	if !wakes {
		logger.V(5).Info("a pod on a host came, went or changed, which does not concern the pod", "pod", klog.KObj(pod))
		return fwk.QueueSkip, nil
	}
	logger.V(5).Info("a pod on a host came, went or changed, and the pod may be let in now", "pod", klog.KObj(pod))
	return fwk.Queue, nil
}

// lets says whether it can help a pod that another is gone.
func (pl *VMAffinity) lets(t *terms, pod, gone *corev1.Pod) (bool, error) {
	if matchesAny(t.anti, gone, nil) {
		return true, nil
	}
	// It may have been the last that the pod had to go to, so that the pod may be the first again. Or it was the source of
	// a VM that counts at its target from now on.
	if matchesAll(t.affinity, gone) && (matchesAll(t.affinity, pod) || adapt.IsVM(pod) && adapt.IsVM(gone)) {
		return true, nil
	}
	theirs, err := readTerms(gone)
	if err != nil || len(theirs.anti) == 0 {
		return false, nil //nolint:nilerr // what nobody can read has kept no pod away
	}
	namespace, err := pl.labelsOf(pod.Namespace)
	return matchesAny(theirs.anti, pod, namespace), err
}

// letsIn says whether it can help a pod that another's labels have changed.
func (t *terms) letsIn(pod, before, after *corev1.Pod) bool {
	for i := range t.anti {
		if t.anti[i].Matches(before, nil) && !t.anti[i].Matches(after, nil) {
			return true
		}
	}
	did, does := matchesAll(t.affinity, before), matchesAll(t.affinity, after)
	return does && !did || did && !does && matchesAll(t.affinity, pod)
}

// isSchedulableAfterNodeChange wakes a pod when a host comes, or changes a label that is a topology key.
func (pl *VMAffinity) isSchedulableAfterNodeChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	before, after, err := util.As[*corev1.Node](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	t, err := readTerms(pod)
	if err != nil {
		return fwk.Queue, err
	}
	wakes := false
	if before == nil {
		wakes = t.allow(after) || pl.mayRelax(pod)
	} else {
		wakes = t.moved(pod, before.Labels, after.Labels) || pl.repelled.released(before.Labels, after.Labels)
	}
	if !wakes {
		logger.V(5).Info("a node came or changed its labels, which does not concern the pod", "pod", klog.KObj(pod), "node", klog.KObj(after))
		return fwk.QueueSkip, nil
	}
	logger.V(5).Info("a node came or changed its labels, and the pod may be let in now", "pod", klog.KObj(pod), "node", klog.KObj(after))
	return fwk.Queue, nil
}

// allow is true for a node that may do for the pod, or has pods that it has to be near, which may have been there before the node was
// seen: it has a topology key of required affinity. Where anti-affinity keeps the pod away elsewhere, any node may do.
func (t *terms) allow(node *corev1.Node) bool {
	for i := range t.affinity {
		if _, ok := node.Labels[t.affinity[i].TopologyKey]; ok {
			return true
		}
	}
	return len(t.affinity) == 0 || len(t.anti) > 0
}

// moved says whether a node has come to, or gone from, a topology value so that this can help.
func (t *terms) moved(pod *corev1.Pod, before, after map[string]string) bool {
	change := func(key string) (had, has, other bool) {
		was, had := before[key]
		is, has := after[key]
		return had, has, had != has || was != is
	}
	for i := range t.affinity {
		// Where it is lost, nobody may be left to whom the pod has to go, so that it may be the first.
		if had, has, other := change(t.affinity[i].TopologyKey); other && (has || had && matchesAll(t.affinity, pod)) {
			return true
		}
	}
	for i := range t.anti {
		if had, _, other := change(t.anti[i].TopologyKey); had && other {
			return true
		}
	}
	return false
}

// isSchedulableAfterTaintChange wakes a VM when the host that it is to leave has to be left: then its required affinity is
// a preference. A host that is cordoned gets a taint.
func (pl *VMAffinity) isSchedulableAfterTaintChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	_, node, err := util.As[*corev1.Node](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	vm := pl.view.VM(pod)
	if vm == nil || vm.Evacuating != node.Name || len(fwk.GetPodAffinityTerms(pod.Spec.Affinity)) == 0 || !pl.mustLeave(node) {
		return fwk.QueueSkip, nil
	}
	logger.V(5).Info("the VM's host has to be left, which makes its required affinity a preference", "pod", klog.KObj(pod), "node", klog.KObj(node))
	return fwk.Queue, nil
}
