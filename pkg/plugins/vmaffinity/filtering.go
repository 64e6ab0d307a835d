// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
)

// Why a host is refused.
const (
	reasonAffinity = "node(s) had no pod nearby that the pod's required affinity asks for"
	reasonAnti     = "node(s) had a pod nearby that the pod's required anti-affinity keeps away from"
	reasonTheirs   = "node(s) had a pod nearby whose required anti-affinity keeps the pod away"
)

// PreFilter asks the index about the pod's required terms, and about those of pods on hosts that match it. It skips Filter
// when there are none.
func (pl *VMAffinity) PreFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	concedes := pl.conceded.take(pod.UID) // whatever comes of this try
	cycle, err := pl.view.Begin(ctx, state, pod)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	f, err := pl.factsOf(pod, cycle.VM)
	if errors.Is(err, errTerms) {
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, err.Error())
	}
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	if f.idle() {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	s := &preFilterState{facts: f}
	if f.relaxed {
		s.concedes = concedes
		if err := pl.gather(s); err != nil {
			return nil, fwk.AsStatus(err)
		}
	}
	state.Write(preFilterStateKey, s)
	return nil, nil
}

// Filter refuses hosts where a required term does not hold. Taking pods away helps against anti-affinity only.
func (pl *VMAffinity) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, host fwk.NodeInfo) *fwk.Status {
	s, err := pl.readState(ctx, state, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if host.Node() == nil {
		return fwk.AsStatus(errors.New("a host of the snapshot has no node"))
	}
	return s.refusal(host.Node().Labels, s.concedes)
}

// refusal says why a node with the given labels is refused when so much is conceded; nil when it is not.
func (s *preFilterState) refusal(labels map[string]string, concedes concession) *fwk.Status {
	switch {
	case !s.suits(labels, concedes):
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reasonAffinity)
	case s.has(sumAnti, labels):
		return fwk.NewStatus(fwk.Unschedulable, reasonAnti)
	case s.has(sumTheirs, labels):
		return fwk.NewStatus(fwk.Unschedulable, reasonTheirs)
	}
	return nil
}

// near says whether the required affinity holds on a node with the given labels: it has all topology keys, and each has
// a pod that matches all terms. A pod that matches its own terms may be the first to do so. What is counted in without
// is not counted.
func (s *preFilterState) near(labels map[string]string, without *sum) bool {
	all := true
	for i := range s.terms.affinity {
		key := s.terms.affinity[i].TopologyKey
		value, ok := labels[key]
		if !ok {
			return false
		}
		all = all && s.at(sumNear, key, value) > without.at(key, value)
	}
	return all || s.firstable && !s.someNear()
}

// has is true for a node with the given labels in one of whose topology values there is something.
func (s *preFilterState) has(which int, labels map[string]string) bool {
	for i := range s.sums[which].byKey {
		key := s.sums[which].byKey[i].key
		if value, ok := labels[key]; ok && s.at(which, key, value) > 0 {
			return true
		}
	}
	if s.changes == nil {
		return false
	}
	for i := range s.changes.sums[which].byKey {
		key := s.changes.sums[which].byKey[i].key
		if value, ok := labels[key]; ok && s.at(which, key, value) > 0 {
			return true
		}
	}
	return false
}

// readState returns what PreFilter wrote, or computes it, without writing, when PreFilter was switched off in the profile.
func (pl *VMAffinity) readState(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) (*preFilterState, error) {
	s, ok, err := adapt.ReadState[*preFilterState](state, preFilterStateKey)
	if ok || err != nil {
		return s, err
	}
	cycle, err := pl.view.Cycle(ctx, state, pod)
	if err != nil {
		return nil, err
	}
	f, err := pl.factsOf(pod, cycle.VM)
	if err != nil {
		return nil, err
	}
	return &preFilterState{facts: f}, nil
}
