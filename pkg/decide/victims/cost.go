// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import "cmp"

// Cost is what it costs to make room on one node.
type Cost struct {
	// Kills is how many are shut down: evicted VMs and pods that are no VMs.
	Kills int
	// Moves is how many move, by us or by their owner.
	Moves int
	// Memory is the guest memory of those that move, in bytes.
	Memory int64
}

// CostOf returns what it costs when the chosen of all go.
func CostOf(all []Victim, chosen []int) Cost {
	var cost Cost
	for _, i := range chosen {
		if !all[i].Moves {
			cost.Kills++
			continue
		}
		cost.Moves++
		cost.Memory += all[i].memory()
	}
	return cost
}

// Compare is negative when c is cheaper than other: fewer kills, then fewer moves, then less memory to copy.
func (c Cost) Compare(other Cost) int {
	return cmp.Or(cmp.Compare(c.Kills, other.Kills), cmp.Compare(c.Moves, other.Moves), cmp.Compare(c.Memory, other.Memory))
}
