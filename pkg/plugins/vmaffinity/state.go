// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

const preFilterStateKey fwk.StateKey = "PreFilter" + Name

// The sums that Filter looks at.
const (
	// sumNear has the pods that match all required affinity.
	sumNear = iota
	// sumAnti has the pods that match required anti-affinity.
	sumAnti
	// sumTheirs has the pods whose required anti-affinity the pod matches.
	sumTheirs
	filterSums
)

// preFilterState is what Filter knows in one cycle.
type preFilterState struct {
	*facts
	// concedes is how much of its required affinity a VM that has to leave its host gives up.
	concedes concession
	// changes are by the pods that came and went since, in this copy of the state; nil for none.
	changes *changes
}

// facts are what PreFilter found. All copies of a state share them, and nothing changes them.
type facts struct {
	*questions
	terms *terms
	// ownTerms are KubeVirt's among the pod's required anti-affinity.
	ownTerms []fwk.AffinityTerm
	// vm is nil for a pod that is no VM: no rule for VMs applies to it.
	vm *model.VM
	// relaxed is true when the VM has to leave its host, so that required affinity may be conceded.
	relaxed bool
	// group is known of a VM that is relaxed.
	group group
	// firstable is true for a pod that matches its own required affinity: it may be the first of those that do.
	firstable bool

	sums [filterSums]sum
	// anyNear is true when some pod, wherever it is, matches the required affinity.
	anyNear   bool
	onceTotal sync.Once
	total     int64
}

// Clone implements fwk.StateData.
func (s *preFilterState) Clone() fwk.StateData {
	return &preFilterState{facts: s.facts, concedes: s.concedes, changes: s.changes.clone()}
}

// factsOf answers all questions about required terms.
func (pl *VMAffinity) factsOf(pod *corev1.Pod, vm *model.VM) (*facts, error) {
	t, err := pl.termsOf(pod)
	if err != nil {
		return nil, err
	}
	q := &questions{pod: pod, sums: filterSums}
	if q.namespace, err = pl.labelsOf(pod.Namespace); err != nil {
		return nil, err
	}
	f := &facts{questions: q, terms: t, vm: vm, firstable: matchesAll(t.affinity, pod)}
	anti := t.anti
	if vm != nil {
		f.ownTerms, anti = splitOwnTerms(pod, t.anti)
		f.relaxed = len(t.affinity) > 0 && pl.mustGo(vm)
	}
	q.ask(t.affinity, 1, true, sumNear)
	for i := range anti {
		q.ask(anti[i:i+1], 1, false, sumAnti)
	}
	q.theirs = []theirs{{kind: affinity.RequiredAntiAffinity, weight: 1, sum: sumTheirs}}

	sums := q.answer(pl.view.Affinity())
	pl.correct(q, vm, sums)
	pl.addOwnTerms(f, sums)
	for i := range sums {
		sums[i].settle()
	}
	f.sums = [filterSums]sum(sums)
	if f.firstable {
		f.anyNear = f.sums[sumNear].any()
	}
	for i := range f.sums[sumTheirs].byKey {
		pl.repelled.add(f.sums[sumTheirs].byKey[i].key)
	}
	return f, nil
}

// addOwnTerms adds what KubeVirt's own terms say, which are in no index.
func (pl *VMAffinity) addOwnTerms(f *facts, sums []sum) {
	add := adderTo(sums)
	if f.vm == nil {
		pl.eachNamesake(f.pod, func(l *clusterview.Launcher) { f.repel(l, 1, add) })
		return
	}
	launchers := pl.view.Launchers(f.vm.UID)
	for i := range launchers {
		f.keepApart(f.ownTerms, &launchers[i], 1, add)
	}
}

func adderTo(sums []sum) adder {
	return func(to int, key, value string, n int64) { sums[to].add(key, value, n) }
}

// idle is true when no host can be refused.
func (f *facts) idle() bool {
	return len(f.terms.affinity) == 0 && len(f.terms.anti) == 0 && len(f.sums[sumTheirs].byKey) == 0
}

// at returns a sum as it is with all changes.
func (s *preFilterState) at(which int, key, value string) int64 {
	n := s.sums[which].at(key, value)
	if s.changes != nil {
		n += s.changes.sums[which].at(key, value)
	}
	return n
}

// someNear is true when some pod, wherever it is, matches the required affinity.
func (s *preFilterState) someNear() bool {
	if s.changes != nil && s.changes.total != 0 {
		return s.changes.anyNear
	}
	return s.anyNear
}

// totalNear is the total of sumNear.
func (f *facts) totalNear() int64 {
	f.onceTotal.Do(func() { f.total = f.sums[sumNear].total() })
	return f.total
}
