// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
)

// SelectVictimsOnNode implements preemption.Interface. Nodes on which VMs would have to go have been looked at by then; for the others
// upstream's own method answers.
func (pl *VMPreemption) SelectVictimsOnNode(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, host fwk.NodeInfo, pdbs []*policyv1.PodDisruptionBudget,
) ([]*corev1.Pod, int, *fwk.Status) {
	s, ok := ctx.Value(searchInContext{}).(*search)
	if !ok {
		return nil, 0, fwk.AsStatus(errors.New("victims are looked for outside of PostFilter"))
	}
	if f, ok := s.looked[host.Node().Name]; ok {
		return f.pods, f.violating, f.status
	}
	return pl.DefaultPreemption.SelectVictimsOnNode(ctx, state, pod, host, pdbs)
}

// look looks for victims on the place, of which only copies of node and state are changed.
func (p *place) look(state fwk.CycleState, pdbs []*policyv1.PodDisruptionBudget) found {
	p.state, p.host = state.Clone(), p.host.Snapshot()
	p.budgets(pdbs)
	choice, err := victims.Choose(p.victims(), p.short(), p, victims.UsualBudget)
	switch {
	case err != nil:
		return found{status: fwk.AsStatus(err)}
	case !choice.Found:
		return found{status: p.refusal(choice.Homeless)}
	case len(choice.Chosen) == 0:
		return found{status: fwk.NewStatus(fwk.Unschedulable, "the pod would fit as it is")} // the node has changed meanwhile
	}
	planned, status := p.plan(choice.Chosen)
	if !status.IsSuccess() {
		return found{status: status}
	}
	p.attempt.set(p.host.Node().Name, planned)
	pods, violating := p.chosen(choice.Chosen)
	return found{pods: pods, violating: violating}
}

func (p *place) excluded() bool { return p.pl.tracker.Excluded(p.preemptor.UID, p.host) }

func lower(victim fwk.PodInfo, preemptor *corev1.Pod) bool {
	return schedulingv1.PodPriority(victim.GetPod()) < schedulingv1.PodPriority(preemptor)
}
