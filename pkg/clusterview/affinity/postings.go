// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"iter"

	fwk "k8s.io/kube-scheduler/framework"
)

// walkLimit is how many candidates are looked at at each question.
const walkLimit = 64

// postings find pods by label value, for the keys that were asked for.
type postings struct {
	maxKeys int
	never   map[string]struct{}
	byKey   map[string]*posting
	// rest is for how many questions a key must have been of no use before another takes its place.
	rest uint64
}

// posting is the pods that have a label key, by value.
type posting struct {
	used uint64
	// A value is in one of the two: short lists are quick to search, and most are short.
	few  map[string][]*record
	many map[string]map[*record]struct{}
}

func newPostings(maxKeys int, never []string) postings {
	p := postings{maxKeys: maxKeys, never: map[string]struct{}{}, byKey: map[string]*posting{}, rest: 4096}
	for _, key := range never {
		p.never[key] = struct{}{}
	}
	return p
}

func (p *postings) add(r *record) {
	if len(p.byKey) == 0 {
		return
	}
	labels := r.pod.GetPod().Labels
	for key, of := range p.byKey {
		if value, ok := labels[key]; ok {
			of.add(value, r)
		}
	}
}

func (p *postings) remove(r *record) {
	if len(p.byKey) == 0 {
		return
	}
	labels := r.pod.GetPod().Labels
	for key, of := range p.byKey {
		if value, ok := labels[key]; ok {
			of.remove(value, r)
		}
	}
}

// allows is true when a key may get a posting; it makes room for it.
func (p *postings) allows(key string, now uint64) (ok, dropped bool) {
	if _, never := p.never[key]; never || p.maxKeys < 1 {
		return false, false
	}
	if len(p.byKey) < p.maxKeys {
		return true, false
	}
	oldest := ""
	for other, of := range p.byKey {
		if oldest == "" || of.used < p.byKey[oldest].used {
			oldest = other
		}
	}
	if now-p.byKey[oldest].used <= p.rest {
		return false, false
	}
	delete(p.byKey, oldest)
	return true, true
}

func (p *postings) learn(key string, now uint64, from map[fwk.PodInfo]*record) {
	of := &posting{used: now, few: map[string][]*record{}, many: map[string]map[*record]struct{}{}}
	for pod, r := range from {
		if value, ok := pod.GetPod().Labels[key]; ok {
			of.add(value, r)
		}
	}
	p.byKey[key] = of
}

func (p *posting) add(value string, r *record) {
	if many, ok := p.many[value]; ok {
		many[r] = struct{}{}
		return
	}
	few := append(p.few[value], r)
	if len(few) <= walkLimit {
		p.few[value] = few
		return
	}
	many := make(map[*record]struct{}, 2*walkLimit)
	for _, each := range few {
		many[each] = struct{}{}
	}
	p.many[value] = many
	delete(p.few, value)
}

// remove goes back to a list only well below the limit, so that one pod that comes and goes does not cause it.
func (p *posting) remove(value string, r *record) {
	many, ok := p.many[value]
	if !ok {
		if few := without(p.few[value], r); len(few) > 0 {
			p.few[value] = few
		} else {
			delete(p.few, value)
		}
		return
	}
	delete(many, r)
	if len(many) > walkLimit/2 {
		return
	}
	few := make([]*record, 0, walkLimit/2)
	for each := range many {
		few = append(few, each)
	}
	p.few[value] = few
	delete(p.many, value)
}

func (p *posting) size(values []string) (n int) {
	for _, value := range values {
		n += len(p.few[value]) + len(p.many[value])
	}
	return n
}

func (p *posting) pods(values []string) iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for _, value := range values {
			for _, r := range p.few[value] {
				if !yield(r) {
					return
				}
			}
			for r := range p.many[value] {
				if !yield(r) {
					return
				}
			}
		}
	}
}
