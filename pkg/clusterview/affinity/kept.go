// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"slices"

	fwk "k8s.io/kube-scheduler/framework"
)

// kept are answers that Add and Remove keep current.
type kept struct {
	max    int
	byHash map[uint64]*keptCount
	filed  shelf[*keptCount]
}

type keptCount struct {
	*Matches
	hash  uint64
	terms []fwk.AffinityTerm
	under []label
	asked uint64
}

func newKept(most int) kept {
	return kept{max: most, byHash: map[uint64]*keptCount{}, filed: newShelf[*keptCount]()}
}

func (k *kept) find(hash uint64, terms []fwk.AffinityTerm) *keptCount {
	c := k.byHash[hash]
	if c == nil || !sameTerms(c.terms, terms) {
		return nil
	}
	return c
}

// keep takes in a count; the one that was asked for least recently goes when there are too many.
func (k *kept) keep(hash uint64, terms []fwk.AffinityTerm, m *Matches, now uint64) (dropped int) {
	if k.max < 1 {
		return 0
	}
	if other := k.byHash[hash]; other != nil { // other terms with the same hash
		k.drop(other)
		dropped++
	}
	if len(k.byHash) >= k.max {
		var oldest *keptCount
		for _, each := range k.byHash {
			if oldest == nil || each.asked < oldest.asked {
				oldest = each
			}
		}
		k.drop(oldest)
		dropped++
	}
	c := &keptCount{Matches: m, hash: hash, terms: slices.Clone(terms), asked: now}
	least := -1
	for i := range c.terms {
		c.terms[i].Namespaces = c.terms[i].Namespaces.Clone() // the caller may change its own
		if number, cost := k.filed.choose(&c.terms[i]); least < 0 || cost < least {
			c.under, least = labelsOf(&c.terms[i], number), cost
		}
	}
	k.byHash[hash] = c
	k.filed.put(c, c.under)
	for i := range m.byKey {
		m.byKey[i].of.uses++
	}
	return dropped
}

func (k *kept) drop(c *keptCount) {
	k.filed.take(c, c.under)
	delete(k.byHash, c.hash)
	for i := range c.byKey {
		c.byKey[i].of.uses--
	}
}

// change follows a pod that comes or goes.
func (k *kept) change(r *record, by int64) {
	if len(k.byHash) == 0 {
		return
	}
	k.filed.each(r.pod, func(c *keptCount) {
		for i := range c.terms {
			if !c.terms[i].Matches(r.pod, nil) {
				return
			}
		}
		c.count(r.host, by)
	})
}
