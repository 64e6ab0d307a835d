// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import "slices"

// search is what Choose knows of one node.
type search struct {
	all           []Victim
	short         []int64
	at            Place
	budget, asked Budget
	// unlimited is true once the budget was used up and the search is greedy.
	unlimited bool
	// visits are those that are left; cut is true when the last walk was cut short, so that its proposal may not be the cheapest.
	visits int
	cut    bool

	// moving are all that move.
	moving set
	// movers and killed are those that may go, without movers that have no home even alone.
	movers, killed *pool
	// kills and moves are the least that are still possible.
	kills, moves int

	// looked is true once it was asked who has to go in any case: those are needed.
	looked bool
	needed set
	// cramped: there is no room even without all.
	cramped bool
	// room are sets that make room, and so does all that contains them; noRoom are sets that make none, nor does a part of them.
	room, noRoom []set
	// housed are sets of movers that have homes at the same time, and so has a part of them; homeless have none, nor has what
	// contains them.
	housed, homeless []set

	gone []bool // for questions
}

func newSearch(all []Victim, short []int64, at Place, budget Budget) *search {
	s := &search{
		all: all, short: short, at: at, budget: budget, visits: visitsPerQuestion * (max(budget.Fits, 0) + max(budget.Homes, 0)),
		moving: newSet(len(all)), needed: newSet(len(all)), gone: make([]bool, len(all)),
	}
	for i := range all {
		if all[i].Moves {
			s.moving.add(i)
		}
	}
	s.fillPools()
	return s
}

// fits asks whether there is room without these.
func (s *search) fits(gone set) (bool, error) {
	if s.asked.Fits >= s.budget.Fits && !s.unlimited {
		return false, errSpent
	}
	s.asked.Fits++
	for i := range s.gone {
		s.gone[i] = gone.has(i)
	}
	fits, err := s.at.Fits(s.gone)
	if fits && err == nil {
		s.room = append(s.room, gone.clone())
	}
	return fits, err
}

// fitsAtAll says whether there is room without these; it may follow from a yes.
func (s *search) fitsAtAll(gone set) (bool, error) {
	if slices.ContainsFunc(s.room, func(group set) bool { return group.within(gone) }) {
		return true, nil
	}
	return s.fits(gone)
}

// haveHomes asks whether all of these have homes at the same time, unless that was asked before or follows from a no.
func (s *search) haveHomes(moved set) (bool, error) {
	for _, group := range s.homeless {
		if group.within(moved) {
			return false, nil
		}
	}
	members := moved.members()
	if len(members) == 0 || slices.ContainsFunc(s.housed, func(group set) bool { return slices.Equal(group, moved) }) {
		return true, nil
	}
	if s.asked.Homes >= s.budget.Homes && !s.unlimited {
		return false, errSpent
	}
	s.asked.Homes++
	housed, err := s.at.Homes(members)
	if housed && err == nil {
		s.housed = append(s.housed, moved.clone())
	}
	return housed, err
}

// haveHomesAtAll says whether all of these have homes at the same time; it may follow from a yes.
func (s *search) haveHomesAtAll(moved set) (bool, error) {
	if slices.ContainsFunc(s.housed, moved.within) {
		return true, nil
	}
	return s.haveHomes(moved)
}

// learnNoRoom is told of a set that makes no room.
func (s *search) learnNoRoom(gone set) error {
	if !s.looked {
		s.looked = true
		if err := s.lookForNeeded(); err != nil || s.cramped {
			return err
		}
	}
	// Would these kills do with all moves? If not, no other moves need be tried with them.
	most := gone.clone()
	for _, i := range s.movers.index {
		most.add(i)
	}
	if gone.count() < most.count() {
		fits, err := s.fitsAtAll(most)
		if err != nil {
			return err
		}
		if !fits {
			gone = most
		}
	}
	s.noRoom = append(s.noRoom, gone)
	return nil
}

// lookForNeeded asks whether it would do if all went, and then of each whether it would do without it.
func (s *search) lookForNeeded() error {
	everyone := newSet(len(s.all))
	for i := range s.all {
		everyone.add(i)
	}
	fits, err := s.fitsAtAll(everyone)
	if s.cramped = err == nil && !fits; err != nil || !fits {
		return err
	}
	for i := range s.all {
		fits, err := s.fitsAtAll(everyone.without(i))
		if err != nil {
			return err
		}
		if !fits {
			s.needed.add(i)
		}
	}
	return nil
}

// learnHomeless is told of movers that have no homes at the same time; it looks for as few of them as possible of which that is
// true, rather those with much memory than those with little.
func (s *search) learnHomeless(moved set) error {
	blamed := moved
	for _, i := range s.movers.index {
		if !blamed.has(i) || blamed.count() == 1 {
			continue
		}
		fewer := blamed.without(i)
		housed, err := s.haveHomesAtAll(fewer)
		if err != nil {
			s.homeless = append(s.homeless, blamed) // true all the same
			return err
		}
		if !housed {
			blamed = fewer
		}
	}
	s.homeless = append(s.homeless, blamed)
	if blamed.count() == 1 {
		s.fillPools() // it can never go
	}
	return nil
}

// hopeless is true when it is known that nothing will do.
func (s *search) hopeless() bool {
	return s.cramped || slices.ContainsFunc(s.homeless, func(group set) bool { return group.within(s.needed) })
}

// toBlame returns the fewest that were found to have no homes at the same time.
func (s *search) toBlame() []int {
	var blamed set
	for _, group := range s.homeless {
		if !s.cramped && (blamed == nil || group.count() < blamed.count()) {
			blamed = group
		}
	}
	if blamed == nil {
		return nil
	}
	return blamed.members()
}
