// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
)

// Owned is a term that pods in the index have. It is to be read only, and until the next change of the index.
type Owned struct {
	Kind Kind
	Term *fwk.AffinityTerm
	// Counts are, per value of the term's topology key, how many pods own a required term, or the sum of their weights
	// of a preferred one. A pod on a node without this key is not in them.
	Counts *Counts
}

// Owned calls f for each term of the given kinds of pods in the index that matches the pod, which need not be in it,
// and has counts; equal terms of many pods come as one.
func (x *Index) Owned(pod *corev1.Pod, namespaceLabels labels.Set, kinds Kinds, f func(Owned)) {
	x.terms.filed.each(pod, func(e *entry) {
		if e.kind&kinds != 0 && (e.sure || e.term.Matches(pod, namespaceLabels)) {
			f(Owned{Kind: e.kind, Term: e.term, Counts: &e.counts})
		}
	})
}

// terms are those of pods in the index, equal ones once.
type terms struct {
	byHash map[uint64]*entry
	filed  shelf[*entry]
}

type entry struct {
	kind Kind
	// sure is when all pods that have a label that it is filed under match it.
	sure bool
	// filed is the requirement that it is filed under.
	filed  int32
	owners int32
	// term is that of the pod that came last: of all owners' it is the one that is most likely in memory anyway.
	term   *fwk.AffinityTerm
	counts Counts
	// next has the same hash.
	next *entry
}

func newTerms() terms { return terms{byHash: map[uint64]*entry{}, filed: newShelf[*entry]()} }

func (t *terms) find(hash uint64, of ownedTerm) *entry {
	e := t.byHash[hash]
	for e != nil && (e.kind != of.kind || !sameTerm(e.term, of.term)) {
		e = e.next
	}
	return e
}

func (t *terms) add(hash uint64, term ownedTerm, of *topology, at *value) {
	e := t.find(hash, term)
	if e == nil {
		number, _ := t.filed.choose(term.term)
		e = &entry{kind: term.kind, sure: sure(term.term, number), filed: int32(number), counts: Counts{of: of}, next: t.byHash[hash]}
		t.byHash[hash] = e
		t.filed.put(e, labelsOf(term.term, number))
		of.uses++
	}
	e.term = term.term
	e.owners++
	e.counts.add(at, term.weight)
}

func (t *terms) remove(hash uint64, term ownedTerm, at *value) {
	e := t.find(hash, term)
	if e == nil {
		return
	}
	e.owners--
	e.counts.add(at, -term.weight)
	if e.owners > 0 {
		return
	}
	e.counts.of.uses--
	t.filed.take(e, labelsOf(e.term, int(e.filed)))
	t.unlink(hash, e)
}

func (t *terms) unlink(hash uint64, e *entry) {
	first := t.byHash[hash]
	switch {
	case first != e:
		for first.next != e {
			first = first.next
		}
		first.next = e.next
	case e.next != nil:
		t.byHash[hash] = e.next
	default:
		delete(t.byHash, hash)
	}
}
