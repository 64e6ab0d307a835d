// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// searchInContext finds the search for those that upstream's evaluator gives no state.
type searchInContext struct{}

// PostFilter looks for a node on which room can be made for the pod, and has it made.
func (pl *VMPreemption) PostFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, statuses fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	metrics.PreemptionAttempts.Inc()
	preemptor, err := framework.NewPodInfo(pod)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	if _, err := pl.view.Begin(ctx, state, pod); err != nil { // no other plugin of the profile may have done it
		return nil, fwk.AsStatus(err)
	}
	a := &attempt{preemptor: preemptor, plans: map[string]*plan{}}
	s := &search{NodeToStatusReader: statuses, pl: pl, ctx: ctx, state: state, pod: pod, attempt: a, looked: map[string]found{}}
	result, status := pl.evaluator.Preempt(context.WithValue(ctx, searchInContext{}, s), state, pod, s)
	switch {
	case status.IsSuccess() && result != nil && result.NominatingInfo != nil:
		node := result.NominatedNodeName
		a.only(node)
		pl.promise(pod.UID, a.on(node))
		attemptsTotal.WithLabelValues(outcomeOf(a.on(node))).Inc()
	case s.begun:
		pl.attempts.forget(pod.UID)
		attemptsTotal.WithLabelValues("none").Inc()
	case result == nil && status.Code() == fwk.Unschedulable:
		result = pl.nominateAgain(pod)
	}
	if message := status.Message(); message != "" {
		return result, fwk.NewStatus(status.Code(), "preemption: "+message)
	}
	return result, status
}

func outcomeOf(p *plan) string {
	switch {
	case p == nil:
		return "pods"
	case p.cost.Kills == 0:
		return "moves"
	default:
		return "kills"
	}
}

// nominateAgain is for a pod for which VMs are moving, and whose nomination somebody has cleared meanwhile, or that a scheduler which came to an end
// has not nominated any more: without it the room would be there for everybody.
func (pl *VMPreemption) nominateAgain(pod *corev1.Pod) *fwk.PostFilterResult {
	node, going := pl.tracker.Going(pod.UID)
	now, err := pl.evaluator.PodLister.Pods(pod.Namespace).Get(pod.Name)
	if !going || err != nil || now.UID != pod.UID || now.Status.NominatedNodeName != "" {
		return nil
	}
	return framework.NewPostFilterResultWithNominatedNode(node)
}

// GetOffsetAndNumCandidates implements preemption.Interface: upstream's number of candidates. The search hands its nodes on in an order that is
// the pod's own already.
func (pl *VMPreemption) GetOffsetAndNumCandidates(nodes int32) (offset, candidates int32) {
	_, candidates = pl.DefaultPreemption.GetOffsetAndNumCandidates(nodes)
	return 0, candidates
}
