// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import "slices"

// walkLimit is how many candidates are looked at at each question.
const walkLimit = 64

// posting is the pods that have one value of a label, by namespace.
type posting struct {
	pods int
	// only is in place of byNamespace as long as it is the only one, as for most values.
	only        *list
	byNamespace map[*namespace]*list
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
	if p.only != nil && p.only.namespace == of {
		return p.only
	}
	return p.byNamespace[of]
}

func (p *posting) add(r *record) {
	p.pods++
	to := p.in(r.namespace)
	if to == nil {
		to = &list{namespace: r.namespace}
		switch {
		case p.byNamespace != nil:
			p.byNamespace[r.namespace] = to
		case p.only != nil:
			p.byNamespace = map[*namespace]*list{p.only.namespace: p.only, r.namespace: to}
			p.only = nil
		default:
			p.only = to
		}
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
	delete(p.byNamespace, r.namespace)
	if p.only == from {
		p.only = nil
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
	if p.only != nil {
		p.only.each(f)
	}
	for _, l := range p.byNamespace {
		l.each(f)
	}
}
