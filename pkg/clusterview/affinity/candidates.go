// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

// candidates are the pods that meet one requirement of one part of a question, or are in its namespaces.
type candidates struct {
	// known is false when no postings tell any: then all pods are candidates.
	known             bool
	part, requirement int
	// Of some namespaces lists, of all postings.
	lists    []*list
	postings []*posting
	n        int
}

func (c *candidates) few() bool { return c.known && c.n <= walkLimit }

func (c *candidates) each(f func(*candidate)) {
	for _, l := range c.lists {
		l.each(f)
	}
	for _, p := range c.postings {
		p.each(f)
	}
}

// fewest returns the smallest set of pods, of those that postings can tell, with all that match.
func (x *Index) fewest(q question) (best candidates) {
	var used *followed
	consider := func(part, requirement int, key string, values []string) {
		of := x.postings.byKey[key]
		c := of.candidates(&q[part], values)
		if !best.known || c.n < best.n {
			best, used = c, of
			best.known, best.part, best.requirement = true, part, requirement
		}
	}
	for i := range q {
		for k, r := range equalities(q[i].term.Selector) {
			if x.postings.byKey[r.Key()] != nil {
				consider(i, k, r.Key(), valuesOf(r))
			}
		}
	}
	if x.postings.byKey[noKey] != nil && !best.few() {
		for i := range q {
			if !q[i].everywhere {
				consider(i, loose, noKey, []string{""})
			}
		}
	}
	if used != nil {
		used.used = x.questions
	}
	return best
}

// candidates of a key with one of the values, in the part's namespaces.
func (f *followed) candidates(p *part, values []string) (c candidates) {
	for _, value := range values {
		in := f.byValue[value]
		switch {
		case in == nil:
		case p.everywhere:
			c.postings = append(c.postings, in)
			c.n += in.pods
		default:
			for _, of := range p.namespaces {
				if l := in.in(of); l != nil {
					c.lists = append(c.lists, l)
					c.n += l.len()
				}
			}
		}
	}
	return c
}

// learn follows the keys that a question asks equality of, and pods by namespace if there is none that can be followed.
// It is false when nothing new is followed.
func (x *Index) learn(q question) (learned bool) {
	keys, everywhere := 0, true
	for i := range q {
		everywhere = everywhere && q[i].everywhere
		for _, r := range equalities(q[i].term.Selector) {
			learned = x.follow(r.Key()) || learned
			if x.postings.byKey[r.Key()] != nil {
				keys++
			}
		}
	}
	if keys == 0 && !everywhere {
		learned = x.follow(noKey)
	}
	return learned
}

// follow is false for a key that is followed already, or cannot be.
func (x *Index) follow(key string) bool {
	if x.postings.byKey[key] != nil {
		return false
	}
	place, ok, dropped := x.postings.room(key, x.questions)
	if dropped {
		x.taken.keysDropped++
	}
	if !ok {
		x.taken.keysRefused++
		return false
	}
	x.taken.keysLearned++
	x.postings.follow(key, place, x.questions, x.records)
	return true
}
