// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import "slices"

// The search between questions is bounded too: so many visits take less time than a question does, and so many are enough
// for all sets of a dozen victims.
const (
	visitsPerQuestion = 256
	visitsPerWalk     = 8192
)

// propose returns the cheapest set that is not ruled out by what is known, and nil when all are. What is known only ever
// rules out more: the number of kills and moves of what it returns never falls.
func (s *search) propose() (set, error) {
	for ; s.kills <= len(s.killed.index) && !s.hopeless(); s.kills++ {
		for ; s.moves <= len(s.movers.index); s.moves++ {
			w := walk{search: s, picked: newSet(len(s.all)), end: max(0, s.visits-visitsPerWalk)}
			s.movers.upTo(s.moves)
			s.killed.upTo(s.kills)
			w.pickMoves(len(s.movers.index), s.moves, s.lacking(), 0, 0)
			ended := s.visits <= w.end
			if ended && (w.best == nil || s.visits <= 0) {
				return nil, errSpent
			}
			if w.best != nil {
				s.cut = ended
				return w.best, nil
			}
		}
		s.moves = 0
	}
	s.cut = false
	return nil, nil
}

// lacking returns what is lacking as long as nobody has gone.
func (s *search) lacking() []int64 {
	lacking := make([]int64, len(s.short))
	for r := range lacking {
		lacking[r] = max(s.short[r], 0)
	}
	return lacking
}

// walk goes through all sets of a number of movers and a number of kills, and finds the cheapest: depth first, and away
// from where nothing cheaper than what it has, or nothing that could do, is ahead. It picks the last of a pool first, and a
// later one only after all sets of earlier ones: of sets that cost the same it has that of which the dearest, or most
// important, is the least so.
type walk struct {
	*search
	picked     set
	best       set
	memory     int64 // of best
	violations int   // of best
	end        int   // of the search's visits
}

// cheaper is true when so much memory and so many violations would be better than the best so far.
func (w *walk) cheaper(memory int64, violations int) bool {
	return w.best == nil || memory < w.memory || memory == w.memory && violations < w.violations
}

// visit is false when there have been enough.
func (w *walk) visit() bool {
	w.visits--
	return w.visits > w.end
}

// pickMoves picks so many of the first movers, and then kills. need is what is still lacking, memory and violations are
// those of the movers picked so far.
func (w *walk) pickMoves(first, count int, need []int64, memory int64, violations int) {
	p, q := w.movers, w.killed
	start := p.lastOf(w.needed, first)
	if count == 0 {
		if start < 0 {
			w.pickKills(len(q.index), w.kills, need, memory, violations)
		}
		return
	}
	for n := max(start, count-1); n < first; n++ {
		i := p.index[n]
		least := memory + w.copied(i) + p.memory[count-1]
		if !w.visit() || w.best != nil && least > w.memory { // it only gets more
			return
		}
		violations := violations + w.search.violations(i)
		if !w.cheaper(least, violations+max(0, count-1-p.clean[n])+max(0, w.kills-q.clean[len(q.index)])) ||
			!enough(need, p.frees[n], p.most[n][count-1], q.most[len(q.index)][w.kills]) {
			continue
		}
		w.picked.add(i)
		if !w.homelessWith(i) {
			w.pickMoves(n, count-1, minus(need, p.frees[n]), memory+w.copied(i), violations)
		}
		w.picked.remove(i)
	}
}

// pickKills picks so many of the first of those that are shut down.
func (w *walk) pickKills(first, count int, need []int64, memory int64, violations int) {
	p := w.killed
	start := p.lastOf(w.needed, first)
	if count == 0 {
		if start < 0 && w.cheaper(memory, violations) && enough(need) && !w.knownTooFew() {
			w.best, w.memory, w.violations = w.picked.clone(), memory, violations
		}
		return
	}
	for n := max(start, count-1); n < first && w.visit(); n++ {
		i := p.index[n]
		violations := violations + w.search.violations(i)
		if !w.cheaper(memory, violations+max(0, count-1-p.clean[n])) || !enough(need, p.frees[n], p.most[n][count-1]) {
			continue
		}
		w.picked.add(i)
		w.pickKills(n, count-1, minus(need, p.frees[n]), memory, violations)
		w.picked.remove(i)
	}
}

// lastOf returns the last of the first ones of a pool that is in a set, -1 if none is.
func (p *pool) lastOf(s set, first int) int {
	for n := first - 1; n >= 0; n-- {
		if s.has(p.index[n]) {
			return n
		}
	}
	return -1
}

// homelessWith is true when the victim picked last has no home together with those picked before.
func (w *walk) homelessWith(last int) bool {
	for _, group := range w.homeless {
		if group.has(last) && group.within(w.picked) {
			return true
		}
	}
	return false
}

// knownTooFew is true when it is known that what is picked makes no room.
func (w *walk) knownTooFew() bool {
	return slices.ContainsFunc(w.noRoom, w.picked.within)
}

// minus returns what is still lacking when so much becomes free.
func minus(need, frees []int64) []int64 {
	rest := make([]int64, len(need))
	for r := range need {
		rest[r] = need[r] - min(frees[r], need[r])
	}
	return rest
}

// enough is true when the given amounts together are what is needed of each resource.
func enough(need []int64, amounts ...[]int64) bool {
	for r, lacking := range need {
		for _, amount := range amounts {
			lacking -= min(amount[r], lacking)
		}
		if lacking > 0 {
			return false
		}
	}
	return true
}
