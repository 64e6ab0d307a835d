// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"hash/maphash"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
)

// hasher gives terms that are the same the same number; what has the same number is compared.
type hasher struct {
	seed maphash.Seed
	// mask is less than all bits in tests that want collisions.
	mask uint64
}

func (h hasher) all(terms []fwk.AffinityTerm) uint64 {
	sum := uint64(len(terms))
	for i := range terms {
		sum = mix(sum, h.term(&terms[i]))
	}
	return sum & h.mask
}

func (h hasher) owned(kind Kind, term *fwk.AffinityTerm) uint64 {
	return mix(uint64(kind), h.term(term)) & h.mask
}

func (h hasher) term(term *fwk.AffinityTerm) uint64 {
	var namespaces uint64 // in any order
	for name := range term.Namespaces {
		namespaces += maphash.String(h.seed, name)
	}
	sum := mix(namespaces, h.selector(term.NamespaceSelector))
	sum = mix(sum, h.selector(term.Selector))
	return mix(sum, maphash.String(h.seed, term.TopologyKey))
}

func (h hasher) selector(s labels.Selector) uint64 {
	requirements, selectable := s.Requirements()
	if !selectable {
		return 1
	}
	sum := uint64(2)
	for i := range requirements {
		r := &requirements[i]
		sum = mix(sum, maphash.String(h.seed, r.Key()))
		sum = mix(sum, uint64(len(operatorOf(r))))
		sum = mix(sum, h.values(s, r))
	}
	return sum
}

func (h hasher) values(s labels.Selector, r *labels.Requirement) (sum uint64) {
	if value, ok := s.RequiresExactMatch(r.Key()); ok { // allocates nothing
		return maphash.String(h.seed, value)
	}
	for _, value := range valuesOf(r) {
		sum += maphash.String(h.seed, value)
	}
	return sum
}

func mix(sum, next uint64) uint64 {
	sum ^= next
	sum *= 0x9e3779b97f4a7c15
	return sum ^ sum>>32
}

// sameTerms is true for terms that ask for the same, in the same order.
func sameTerms(a, b []fwk.AffinityTerm) bool {
	return slices.EqualFunc(a, b, func(a, b fwk.AffinityTerm) bool { return sameTerm(&a, &b) })
}

// sameTerm may be false for two that select the same in other words, but what it says is the same is so.
func sameTerm(a, b *fwk.AffinityTerm) bool {
	return a.TopologyKey == b.TopologyKey && a.Namespaces.Equal(b.Namespaces) &&
		sameSelector(a.NamespaceSelector, b.NamespaceSelector) && sameSelector(a.Selector, b.Selector)
}

func sameSelector(a, b labels.Selector) bool {
	ra, selectableA := a.Requirements()
	rb, selectableB := b.Requirements()
	return selectableA == selectableB && slices.EqualFunc(ra, rb, sameRequirement)
}

func sameRequirement(a, b labels.Requirement) bool {
	if a.Equal(b) {
		return true
	}
	return a.Key() == b.Key() && operatorOf(&a) == operatorOf(&b) && a.Values().Equal(b.Values())
}
