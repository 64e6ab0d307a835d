// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	fwk "k8s.io/kube-scheduler/framework"
)

// question is terms as records can answer them, until the index changes.
type question []part

// part is one term of a question.
type part struct {
	term *fwk.AffinityTerm
	// namespaces are those that have pods.
	everywhere bool
	namespaces []*namespace
	checks     []check
	// selector is asked of the labels where checks cannot tell all.
	selector labels.Selector
}

// check is a requirement of a selector on a key that is followed.
type check struct {
	place    int
	operator selection.Operator
	values   []*posting
}

// question says of what namespaces the terms are; ok is false when no pod can match them all.
func (x *Index) question(terms []fwk.AffinityTerm) (q question, ok bool) {
	q = make(question, len(terms))
	for i := range terms {
		term, p := &terms[i], &q[i]
		if !selects(term.Selector) {
			return nil, false
		}
		p.term = term
		p.everywhere = term.NamespaceSelector.Matches(labels.Set(nil))
		if p.everywhere {
			continue
		}
		for name := range term.Namespaces {
			if known := x.namespaces[name]; known != nil {
				p.namespaces = append(p.namespaces, known)
			}
		}
		if len(p.namespaces) == 0 {
			return nil, false
		}
	}
	return q, len(q) > 0
}

// check makes the question say what is to be asked of candidates; what they all have is left out.
func (x *Index) check(q question, from candidates) {
	for i := range q {
		p := &q[i]
		chosen := from.known && from.part == i
		if chosen {
			p.everywhere = true
		}
		requirements, _ := p.term.Selector.Requirements()
		for k := range requirements {
			if chosen && from.requirement == k {
				continue
			}
			c, ok := x.checkOf(&requirements[k])
			if !ok {
				p.selector, p.checks = p.term.Selector, nil
				break
			}
			p.checks = append(p.checks, c)
		}
	}
}

func (x *Index) checkOf(r *labels.Requirement) (c check, ok bool) {
	of := x.postings.byKey[r.Key()]
	if of == nil {
		return check{}, false
	}
	c = check{place: of.place, operator: operatorOf(r)}
	switch c.operator {
	case selection.In, selection.NotIn:
		for _, value := range valuesOf(r) {
			if in := of.byValue[value]; in != nil {
				c.values = append(c.values, in)
			}
		}
		return c, true
	case selection.Exists, selection.DoesNotExist:
		return c, true
	default:
		return check{}, false
	}
}

func (q question) match(c *candidate) bool {
	for i := range q {
		if !q[i].match(c) {
			return false
		}
	}
	return true
}

func (p *part) match(c *candidate) bool {
	if !p.everywhere && !slices.Contains(p.namespaces, c.namespace) {
		return false
	}
	for i := range p.checks {
		if !p.checks[i].match(c.values) {
			return false
		}
	}
	return p.selector == nil || p.selector.Matches(labels.Set(c.pod.Labels))
}

func (c *check) match(values []*posting) bool {
	in := values[c.place]
	switch c.operator {
	case selection.In:
		return in != nil && slices.Contains(c.values, in)
	case selection.NotIn:
		return !slices.Contains(c.values, in)
	case selection.Exists:
		return in != nil
	default: // DoesNotExist
		return in == nil
	}
}
