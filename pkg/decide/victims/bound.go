// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"cmp"
	"slices"
)

// Bound returns a cost that no set of victims of a node is below, by arithmetic alone: what is lacking, and how much becomes free when who
// goes. Somebody has to: that the pod does not fit as it is is known. ok is false when there would be no room even if all went. all and short are
// what Choose is given. It is what nodes are looked at in the order of: one whose bound is not below the cost of a set that was found
// needs not be looked at.
func Bound(all []Victim, short []int64) (least Cost, ok bool) {
	var movers, killed []*Victim
	for i := range all {
		if all[i].Moves {
			movers = append(movers, &all[i])
		} else {
			killed = append(killed, &all[i])
		}
	}
	rest := slices.Clone(short)
	for d := range short {
		missing := short[d] - sum(movers, d)
		n, enough := largest(killed, d, missing)
		if !enough {
			return Cost{}, false
		}
		least.Kills = max(least.Kills, n)
	}
	for d := range rest {
		rest[d] -= sumOfLargest(killed, d, least.Kills)
		n, enough := largest(movers, d, rest[d])
		if !enough {
			// It is, with more kills: then these come first, and nothing is known of moves.
			return Cost{Kills: least.Kills}, true
		}
		least.Moves = max(least.Moves, n)
	}
	if least.Kills == 0 && least.Moves == 0 {
		// Nothing that is counted is lacking, and yet somebody has to go.
		switch {
		case len(all) == 0:
			return Cost{}, false
		case len(movers) == 0:
			return Cost{Kills: 1}, true
		}
		least.Moves = 1
	}
	if least.Moves == 1 {
		memory, alone := leastAlone(movers, rest)
		if alone || least.Kills > 0 {
			least.Memory = memory
			return least, true
		}
		least.Moves = 2
		if len(movers) < 2 {
			return Cost{Kills: least.Kills}, true
		}
	}
	least.Memory = leastMemory(movers, least.Moves)
	return least, true
}

// leastAlone returns the least memory of a mover that makes up for all that is lacking by itself; alone is false if there is none.
func leastAlone(movers []*Victim, lacking []int64) (memory int64, alone bool) {
	for _, m := range movers {
		enough := true
		for d := range lacking {
			enough = enough && frees(m, d) >= lacking[d]
		}
		if enough && (!alone || m.memory() < memory) {
			memory, alone = m.memory(), true
		}
	}
	return memory, alone
}

// leastMemory returns the memory of the n smallest.
func leastMemory(movers []*Victim, n int) (memory int64) {
	sizes := make([]int64, len(movers))
	for i, m := range movers {
		sizes[i] = m.memory()
	}
	slices.Sort(sizes)
	for _, size := range sizes[:min(n, len(sizes))] {
		memory += size
	}
	return memory
}

func frees(v *Victim, d int) int64 {
	if d >= len(v.Frees) {
		return 1 << 62 // what is not said is taken for enough
	}
	return max(v.Frees[d], 0)
}

func sum(all []*Victim, d int) (total int64) {
	for _, v := range all {
		total = saturated(total, frees(v, d))
	}
	return total
}

func saturated(a, b int64) int64 { return min(a, 1<<62) + min(b, 1<<61) }

// largest returns how many of the largest make up for what is missing.
func largest(all []*Victim, d int, missing int64) (n int, enough bool) {
	if missing <= 0 {
		return 0, true
	}
	for _, free := range descending(all, d) {
		missing -= free
		n++
		if missing <= 0 {
			return n, true
		}
	}
	return n, false
}

func sumOfLargest(all []*Victim, d, n int) (total int64) {
	if n == 0 {
		return 0
	}
	free := descending(all, d)
	for _, f := range free[:min(n, len(free))] {
		total = saturated(total, f)
	}
	return total
}

func descending(all []*Victim, d int) []int64 {
	free := make([]int64, len(all))
	for i, v := range all {
		free[i] = frees(v, d)
	}
	slices.SortFunc(free, func(a, b int64) int { return cmp.Compare(b, a) })
	return free
}
