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
	Matches
	hash  uint64
	terms []fwk.AffinityTerm
	pairs []pair
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
func (k *kept) keep(c *keptCount) (dropped int) {
	if k.max < 1 {
		return 0
	}
	if other := k.byHash[c.hash]; other != nil { // other terms with the same hash
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
	// The caller may change its terms later.
	c.terms = slices.Clone(c.terms)
	least := 0
	for i := range c.terms {
		c.terms[i].Namespaces = c.terms[i].Namespaces.Clone()
		selector := c.terms[i].Selector
		if number, cost := k.filed.choose(selector); number != loose && (c.pairs == nil || cost < least) {
			c.pairs, least = pairsOf(selector, number), cost
		}
	}
	k.byHash[c.hash] = c
	k.filed.put(c, c.pairs)
	return dropped
}

func (k *kept) drop(c *keptCount) {
	k.filed.take(c, c.pairs)
	delete(k.byHash, c.hash)
}

// change follows a pod that comes or goes.
func (k *kept) change(r *record, by int64) {
	if len(k.byHash) == 0 {
		return
	}
	k.filed.each(r.pod.GetPod().Labels, func(c *keptCount) { c.count(c.terms, r, by) })
}
