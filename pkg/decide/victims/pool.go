// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"cmp"
	"slices"
)

// pool is victims that go the same way, in the order in which they are tried: those with little memory first, of equal memory
// those that violate no budget, of these the least important.
type pool struct {
	index []int
	// memory[n] is that of the first n, clean[n] how many of the first n violate no budget.
	memory []int64
	clean  []int
	// frees[n] is how much of each resource goes with the n-th, most[n][c] the most that any c of the first n free together, for c
	// up to columns.
	frees   [][]int64
	most    [][][]int64
	columns int
	// resources is how many there are.
	resources int
}

// fewVictims is how many most often are enough. Sums of more are made when they are needed.
const fewVictims = 4

func (s *search) fillPools() {
	var movers, killed []int
	for i, v := range slices.Backward(s.all) {
		switch {
		case !v.Moves:
			killed = append(killed, i)
		case !s.homelessAlone(i):
			movers = append(movers, i)
		}
	}
	s.movers, s.killed = s.newPool(movers, max(s.moves, fewVictims)), s.newPool(killed, max(s.kills, fewVictims))
}

func (s *search) homelessAlone(i int) bool {
	return slices.ContainsFunc(s.homeless, func(group set) bool { return group.count() == 1 && group.has(i) })
}

// newPool is given victims, the least important first, and how many of them are to be summed up.
func (s *search) newPool(index []int, columns int) *pool {
	slices.SortStableFunc(index, func(a, b int) int {
		return cmp.Or(cmp.Compare(s.copied(a), s.copied(b)), cmp.Compare(s.violations(a), s.violations(b)))
	})
	p := &pool{index: index, memory: []int64{0}, clean: []int{0}, resources: len(s.short)}
	for n, victim := range index {
		p.memory = append(p.memory, p.memory[n]+s.copied(victim))
		p.clean = append(p.clean, p.clean[n]+1-s.violations(victim))
		frees := make([]int64, len(s.short))
		for r := range frees {
			frees[r] = s.frees(victim, r)
		}
		p.frees = append(p.frees, frees)
	}
	p.sumUp(columns)
	return p
}

// upTo makes sure that sums of so many are there. Each time there are several times as many as before, so that all the times
// together cost little more than the last.
func (p *pool) upTo(columns int) {
	if columns > p.columns {
		p.sumUp(fewVictims * columns)
	}
}

func (p *pool) sumUp(columns int) {
	p.columns = min(columns, len(p.index))
	p.most = make([][][]int64, len(p.index)+1)
	largest := make([][]int64, p.resources) // of each: the most that victims seen so far free, the most first
	for n := range p.most {
		for r := 0; r < p.resources && n > 0; r++ {
			frees := p.frees[n-1][r]
			at, _ := slices.BinarySearchFunc(largest[r], frees, func(a, b int64) int { return cmp.Compare(b, a) })
			largest[r] = slices.Insert(largest[r], at, frees)
			largest[r] = largest[r][:min(len(largest[r]), p.columns)]
		}
		p.most[n] = sumsOf(largest, min(n, p.columns))
	}
}

// sumsOf returns for each count up to n the sums of the first count of each list.
func sumsOf(lists [][]int64, n int) [][]int64 {
	flat := make([]int64, (n+1)*len(lists))
	sums := make([][]int64, n+1)
	for c := range sums {
		sums[c] = flat[c*len(lists) : (c+1)*len(lists)]
		for r := range lists {
			if c > 0 {
				sums[c][r] = sums[c-1][r] + lists[r][c-1]
			}
		}
	}
	return sums
}

// frees returns how much of what is lacking of a resource becomes free when a victim goes.
func (s *search) frees(victim, resource int) int64 {
	lacking := max(s.short[resource], 0)
	if resource >= len(s.all[victim].Frees) {
		return lacking
	}
	return min(max(s.all[victim].Frees[resource], 0), lacking)
}

// copied is the memory that counts.
func (s *search) copied(victim int) int64 {
	if !s.all[victim].Moves {
		return 0
	}
	return s.all[victim].memory()
}

func (s *search) violations(victim int) int {
	if s.all[victim].Violates {
		return 1
	}
	return 0
}
