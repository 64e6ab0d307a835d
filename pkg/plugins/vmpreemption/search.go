// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"cmp"
	"context"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	schedulingv1 "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
)

// search looks for room on the nodes on which VMs would have to go. It stands between upstream's evaluator and the statuses of the
// cycle, and hands on the nodes that are worth a look: all without such VMs, and the best of the others. These are looked at in the order of
// what they could cost at the least, and only as long as one might be better than what was found.
type search struct {
	fwk.NodeToStatusReader
	pl      *VMPreemption
	ctx     context.Context //nolint:containedctx // lives no longer than the call of PostFilter
	state   fwk.CycleState
	pod     *corev1.Pod
	attempt *attempt
	pdbs    []*policyv1.PodDisruptionBudget
	// begun is true when the pod may preempt, and so a search was made.
	begun bool

	// nodes are those on which no VM would have to go.
	nodes []fwk.NodeInfo
	// looked is what was found on the nodes that were looked at; refused are those of them that will not do.
	looked  map[string]found
	refused []fwk.NodeInfo
}

// found is what SelectVictimsOnNode returns.
type found struct {
	pods      []*corev1.Pod
	violating int
	status    *fwk.Status
}

// prospect is a node on which VMs would have to go.
type prospect struct {
	node fwk.NodeInfo
	// least is what it costs at the least, if all VMs there can be moved.
	least victims.Cost
	// turn is its place in the order that is this pod's own.
	turn int
}

// NodesForStatusCode returns the nodes that are worth a look. Upstream's evaluator asks for them once, when it knows that the pod may preempt.
func (s *search) NodesForStatusCode(lister fwk.NodeInfoLister, code fwk.Code) ([]fwk.NodeInfo, error) {
	all, err := lister.List()
	if err != nil || code != fwk.Unschedulable {
		return nil, err
	}
	s.begun = true
	s.pl.attempts.remember(s.attempt, s.pl.gone) // what is to be done to victims may begin before Preempt returns
	s.pl.keepOccupants(all)
	s.nodes = make([]fwk.NodeInfo, 0, len(all))
	prospects := s.prospects(all)
	if len(prospects) == 0 {
		return append(s.refused, s.nodes...), nil
	}
	if s.pdbs, err = s.pl.evaluator.PdbLister.List(labels.Everything()); err != nil {
		return nil, err
	}
	slices.SortFunc(prospects, func(a, b prospect) int { return cmp.Or(a.least.Compare(b.least), cmp.Compare(a.turn, b.turn)) })
	best := s.look(prospects)
	if len(best) == 0 {
		best = s.refused // their reasons are told
	}
	return append(best, s.nodes...), nil
}

// prospects finds the nodes on which VMs would have to go, and leaves those on which none would in nodes.
func (s *search) prospects(all []fwk.NodeInfo) (prospects []prospect) {
	offset := victims.Offset(s.pod.UID, len(all))
	priority := schedulingv1.PodPriority(s.pod)
	waiting := s.pl.waiting()
	var may []victims.Victim
	for i := range all {
		node := all[(i+offset)%len(all)]
		name := node.Node().Name
		if s.Get(name).Code() != fwk.Unschedulable {
			continue
		}
		occupants := s.pl.occupantsOf(node)
		lower, vms, toobig := occupants.lower(priority, s.roomBeside(name, waiting), may[:0])
		if may = lower; !vms {
			s.nodes = append(s.nodes, node)
			continue
		}
		if s.attempt.homes == nil {
			s.attempt.homes = homesAmong(all, s.pl.promises.arriving())
			lower, _, toobig = occupants.lower(priority, s.roomBeside(name, waiting), may[:0])
			may = lower
		}
		if least, ok := victims.Bound(lower, s.pl.short(s.attempt.preemptor, node)); ok {
			if waiting[name] {
				least.Memory = 0
			}
			prospects = append(prospects, prospect{node: node, least: least, turn: i})
		} else if toobig > 0 {
			s.refuseFor(node)
		}
	}
	return prospects
}

// roomBeside returns how much memory is free on another host than a node, at the most. It is no limit where not all VMs need a home.
func (s *search) roomBeside(node string, waiting map[string]bool) int64 {
	if s.attempt.homes == nil || s.pl.args.EvictNotMigratable || waiting[node] {
		return math.MaxInt64
	}
	return s.attempt.homes.most(node)
}

// waiting are the hosts on which a pod is to be that waits in Permit.
func (pl *VMPreemption) waiting() (nodes map[string]bool) {
	pl.handle.IterateOverWaitingPods(func(pod fwk.WaitingPod) {
		if nodes == nil {
			nodes = map[string]bool{}
		}
		nodes[pod.GetPod().Spec.NodeName] = true
	})
	return nodes
}

// maxNamed is how many refusals name their VMs: they are told to the owner of the pod, in one message.
const maxNamed = 8

// refuse notes why a node will not do.
func (s *search) refuse(node fwk.NodeInfo, status *fwk.Status) {
	if len(s.refused) >= maxLooks {
		return
	}
	if len(s.refused) >= maxNamed && status.IsRejected() {
		status = fwk.NewStatus(status.Code(), "VMs would have to move that fit nowhere, or not at the same time")
	}
	s.looked[node.Node().Name] = found{status: status}
	s.refused = append(s.refused, node)
}

// refuseFor refuses a node because of a VM that is too large for all other hosts.
func (s *search) refuseFor(node fwk.NodeInfo) {
	if len(s.refused) >= maxLooks {
		return
	}
	if vm := s.pl.placeOf(s.ctx, s.pod, node, s.attempt).toobig; vm != nil {
		s.refuse(node, fitsNowhere(vm))
	}
}

// look looks at prospects, the most promising first, and returns those of the least cost.
func (s *search) look(prospects []prospect) (best []fwk.NodeInfo) {
	var least victims.Cost
	looks, enough := 0, s.enough(len(prospects))
	for _, p := range prospects {
		if len(best) > 0 && (p.least.Compare(least) > 0 || looks >= enough) || looks >= maxLooks || s.ctx.Err() != nil {
			break
		}
		place, really := s.worthALook(p.node)
		if place == nil || len(best) > 0 && really.Compare(least) > 0 {
			continue
		}
		looks++
		f := place.look(s.state, s.pdbs)
		if !f.status.IsSuccess() {
			s.refuse(p.node, f.status)
			continue
		}
		name := p.node.Node().Name
		s.looked[name] = f
		switch cost := s.attempt.on(name).cost; {
		case len(best) == 0 || cost.Compare(least) < 0:
			best, least = []fwk.NodeInfo{p.node}, cost
		case cost.Compare(least) == 0:
			best = append(best, p.node)
		}
	}
	return best
}

// worthALook returns a node as a place, with what it costs at the least, and nil for one that will not do, or on which no VM may go.
func (s *search) worthALook(node fwk.NodeInfo) (*place, victims.Cost) {
	place := s.pl.placeOf(s.ctx, s.pod, node, s.attempt)
	if !place.vms {
		s.nodes = append(s.nodes, node)
		return nil, victims.Cost{}
	}
	least, ok := victims.Bound(place.victims(), place.short())
	switch {
	case !ok && place.toobig != nil:
		s.refuse(node, fitsNowhere(place.toobig))
	case ok && place.excluded():
		s.refuse(node, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "VMs could not be moved away from the node a while ago"))
	case ok:
		return place, least
	}
	return nil, victims.Cost{}
}

// maxLooks bounds the nodes that are looked at when none of them will do.
const maxLooks = 500

// enough is how many nodes are looked at when one will do: so many of equal cost are left to upstream's order.
func (s *search) enough(nodes int) int {
	if absolute := int(s.pl.args.MinCandidateNodesAbsolute); absolute > 0 {
		return absolute
	}
	return max(nodes*int(s.pl.args.MinCandidateNodesPercentage)/100, 1)
}
