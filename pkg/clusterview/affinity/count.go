// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import fwk "k8s.io/kube-scheduler/framework"

// Count returns how many pods match all the terms, per value of each topology key of the terms; a key that several
// terms have is counted once. It is none for no terms. A namespace selector must be one that selects nothing, once its
// namespaces are among the term's names, or all: labels of namespaces are not known here. The terms are not kept.
func (x *Index) Count(terms []fwk.AffinityTerm) *Matches {
	x.mu.Lock()
	defer x.mu.Unlock()
	q, ok := x.question(terms)
	if !ok {
		return &Matches{}
	}
	x.questions++
	from := x.fewest(q)
	if from.few() {
		return x.walk(q, from)
	}
	hash := x.hasher.all(terms)
	if c := x.kept.find(hash, terms); c != nil {
		x.taken.hits++
		c.asked = x.questions
		return c.Matches
	}
	if x.learn(q) {
		if from = x.fewest(q); from.few() {
			return x.walk(q, from)
		}
	}
	m := x.read(q, from)
	x.taken.keptDropped += x.kept.keep(hash, terms, m, x.questions)
	return m
}

func (x *Index) walk(q question, from candidates) *Matches {
	x.taken.walks++
	return x.count(q, from)
}

// read counts what is worth keeping.
func (x *Index) read(q question, from candidates) *Matches {
	if from.known {
		x.taken.fromPostings++
	} else {
		x.taken.fullReads++
	}
	return x.count(q, from)
}

func (x *Index) count(q question, from candidates) *Matches {
	m := x.matches(q)
	x.check(q, from)
	count := func(c *candidate) {
		if q.match(c) {
			m.count(c.host, 1)
		}
	}
	if from.known {
		from.each(count)
		return m
	}
	for _, r := range x.records {
		count(&candidate{r, r.host})
	}
	return m
}
