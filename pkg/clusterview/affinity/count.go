// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
)

// Count returns how many pods match all the terms, per value of each topology key of the terms; a key that several
// terms have is counted once. It is none for no terms. A namespace selector must be one that selects nothing, once its
// namespaces are among the term's names, or all: labels of namespaces are not known here. The terms are not kept.
func (x *Index) Count(terms []fwk.AffinityTerm) *Matches {
	m := newMatches(terms)
	if len(terms) == 0 || slices.ContainsFunc(terms, nothing) {
		return &m
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.questions++
	from := x.fewest(terms)
	if from.few() {
		return x.walk(terms, m, from)
	}
	hash := x.hasher.all(terms)
	if c := x.kept.find(hash, terms); c != nil {
		x.tally.hits++
		c.asked = x.questions
		return &c.Matches
	}
	if x.learn(terms) {
		if from = x.fewest(terms); from.few() {
			return x.walk(terms, m, from)
		}
	}
	c := &keptCount{Matches: m, hash: hash, terms: terms, asked: x.questions}
	x.countAll(c, from)
	x.tally.keptDropped += x.kept.keep(c)
	return &c.Matches
}

func nothing(term fwk.AffinityTerm) bool { return !selects(term.Selector) }

// candidates are the pods that have one of some values of a label; all pods when there is no posting.
type candidates struct {
	posting *posting
	values  []string
	n       int
}

func (c *candidates) few() bool { return c.posting != nil && c.n <= walkLimit }

// fewest returns the smallest set of pods, of those that postings can tell, with all that match the terms.
func (x *Index) fewest(terms []fwk.AffinityTerm) (best candidates) {
	x.equalities(terms, func(s labels.Selector, r *labels.Requirement) {
		p := x.postings.byKey[r.Key()]
		if p == nil {
			return
		}
		values := valuesOf(s, r)
		if n := p.size(values); best.posting == nil || n < best.n {
			best = candidates{p, values, n}
		}
	})
	if best.posting != nil {
		best.posting.used = x.questions
	}
	return best
}

// learn makes postings of the keys that terms ask equality of; it is false when there is no new one.
func (x *Index) learn(terms []fwk.AffinityTerm) (learned bool) {
	x.equalities(terms, func(_ labels.Selector, r *labels.Requirement) {
		if x.postings.byKey[r.Key()] != nil {
			return
		}
		ok, dropped := x.postings.allows(r.Key(), x.questions)
		if dropped {
			x.tally.keysDropped++
		}
		if !ok {
			x.tally.keysRefused++
			return
		}
		x.tally.keysLearned++
		x.postings.learn(r.Key(), x.questions, x.records)
		learned = true
	})
	return learned
}

func (x *Index) equalities(terms []fwk.AffinityTerm, f func(labels.Selector, *labels.Requirement)) {
	for i := range terms {
		requirements, numbers := equalities(terms[i].Selector)
		for _, number := range numbers {
			f(terms[i].Selector, &requirements[number])
		}
	}
}

func (x *Index) walk(terms []fwk.AffinityTerm, m Matches, from candidates) *Matches {
	x.tally.walks++
	for r := range from.posting.pods(from.values) {
		m.count(terms, r, 1)
	}
	return &m
}

// countAll counts once what will be kept.
func (x *Index) countAll(c *keptCount, from candidates) {
	if from.posting == nil {
		x.tally.fullReads++
		for _, r := range x.records {
			c.count(c.terms, r, 1)
		}
		return
	}
	x.tally.fromPostings++
	for r := range from.posting.pods(from.values) {
		c.count(c.terms, r, 1)
	}
}
