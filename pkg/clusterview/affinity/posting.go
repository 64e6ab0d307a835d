// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import "slices"

// walkLimit is how many candidates are looked at at each question.
const walkLimit = 64

// posting is the pods that have one value of a label, by namespace.
type posting struct {
	// first is the list of one namespace: most values have no more. Its namespace is nil while it has no pods.
	first list
	more  map[*namespace]*list
	pods  int
}

// list is pods with a label in one namespace: a list up to walkLimit, a set beyond.
type list struct {
	namespace *namespace
	few       []candidate
	many      map[*record]struct{}
}

// candidate is a record with its host at hand: that is all it takes when nothing more is asked of it.
type candidate struct {
	*record
	host *host
}

func (p *posting) in(of *namespace) *list {
	if p.first.namespace == of {
		return &p.first
	}
	return p.more[of]
}

func (p *posting) add(r *record) {
	p.pods++
	to := p.in(r.namespace)
	switch {
	case to != nil:
	case p.first.namespace == nil:
		to = &p.first
		to.namespace = r.namespace
	default:
		to = &list{namespace: r.namespace}
		if p.more == nil {
			p.more = map[*namespace]*list{}
		}
		p.more[r.namespace] = to
	}
	to.add(r)
}

func (p *posting) remove(r *record) {
	p.pods--
	from := p.in(r.namespace)
	from.remove(r)
	if from.len() > 0 {
		return
	}
	delete(p.more, r.namespace)
	if from == &p.first {
		p.first = list{}
	}
}

func (l *list) len() int { return len(l.few) + len(l.many) }

func (l *list) add(r *record) {
	if l.many != nil {
		l.many[r] = struct{}{}
		return
	}
	if len(l.few) < walkLimit {
		l.few = append(l.few, candidate{r, r.host})
		return
	}
	l.many = make(map[*record]struct{}, 2*walkLimit)
	for i := range l.few {
		l.many[l.few[i].record] = struct{}{}
	}
	l.few = nil
	l.many[r] = struct{}{}
}

// remove goes back to a list only well below the limit, so that one pod that comes and goes does not cause it.
func (l *list) remove(r *record) {
	if l.many == nil {
		i := slices.IndexFunc(l.few, func(c candidate) bool { return c.record == r })
		last := len(l.few) - 1
		l.few[i], l.few[last] = l.few[last], candidate{}
		l.few = l.few[:last]
		return
	}
	delete(l.many, r)
	if len(l.many) <= walkLimit/2 {
		l.few = make([]candidate, 0, walkLimit/2)
		for each := range l.many {
			l.few = append(l.few, candidate{each, each.host})
		}
		l.many = nil
	}
}

func (l *list) each(f func(*candidate)) {
	for i := range l.few {
		f(&l.few[i])
	}
	for r := range l.many {
		f(&candidate{r, r.host})
	}
}

// each calls f for the pods of all namespaces.
func (p *posting) each(f func(*candidate)) {
	p.first.each(f)
	for _, l := range p.more {
		l.each(f)
	}
}
