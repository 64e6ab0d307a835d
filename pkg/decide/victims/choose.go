// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import "errors"

// Victim is one that may go from a node so that there is room: a VM with all pods that go with it, or a pod that is no VM.
type Victim struct {
	// Moves is true when it goes on elsewhere, and false when it is shut down. A VM that can move only has the former.
	Moves bool
	// Memory is the guest memory in bytes, which is copied when it moves; it does not count when it is shut down.
	Memory int64
	// Violates is true when its going violates a disruption budget.
	Violates bool
	// Frees is the most that becomes free of each resource in short, which Choose is given, when it goes. What is missing at the
	// end is taken for enough.
	Frees []int64
}

func (v *Victim) memory() int64 { return max(v.Memory, 0) }

// Place answers for one node. An error ends the search. What it is given is its own only until it returns.
type Place interface {
	// Fits: is there room on the node when these are gone, gone[i] for all[i]?
	Fits(gone []bool) (bool, error)
	// Homes: do these have a home each elsewhere, all at the same time? moved has at least one position in all, ascending. The
	// last such question may be about others than those that are chosen.
	Homes(moved []int) (bool, error)
}

// Budget is how many questions of each kind Choose may ask while it looks for the best answer.
type Budget struct{ Fits, Homes int }

// UsualBudget is far more than nearly every node with a dozen VMs takes of which Frees are known; TestChooseFindsTheOptimum prints
// the most that one took. A dozen of different sizes with hardly any homes may take more.
var UsualBudget = Budget{Fits: 256, Homes: 128}

// Choice is Choose's answer.
type Choice struct {
	// Found is true when there are victims that make room; with none the pod fits as it is.
	Found bool
	// Chosen are positions in all, ascending. Both questions were answered with yes for exactly these.
	Chosen []int
	// Exact is true when it was found out that there are no cheaper ones, or none at all.
	Exact bool
	// Asked is how many questions were asked.
	Asked Budget
	// Homeless, when nothing was found: some that have no homes at the same time, as few as are known. Empty when homes were not
	// the obstacle: then there would be no room even if all went.
	Homeless []int
}

// Choose looks for those that have to go so that there is room on a node: as few kills as possible, then as few moves, then
// as little memory to copy, then as few violated budgets, then, of those equal in all that, the least important. all has those
// that may go, the most important first. short is how much is lacking of each resource as long as nobody has gone; it may say less
// than is lacking, or nothing, but not more.
//
// Choose proposes the cheapest set that is not ruled out by what it knows, asks whether there is room without it and then
// whether all that move have homes, which is the dearer question, and learns from each no:
//   - by arithmetic, from short and Frees: a set that does not free what is lacking makes no room, and is not asked about;
//   - more gone never makes less room: what makes no room rules out all its parts;
//   - who has homes together has them in smaller company: what has none rules out all that contain it.
//
// So where Frees tell the truth, it takes one question of each kind as long as homes are found at once. The first unexpected no to
// Fits costs a question for each victim, to learn who has to go in any case; each no to Homes one for each that would move, to
// learn who is to blame. The two rules of thumb about more and less hold for resources, ports and rules of anti-affinity.
// Where they do not hold a good set may be missed, but none is chosen about which not both questions were answered with
// yes as a whole.
//
// Past the budget a greedy search follows, which asks at most two more questions to Fits for each victim and one to Homes for each
// that moves, and one in the end. It takes movers as they come, those with little memory first, and never goes back on one that
// has a home: what it finds makes room, but may not be the cheapest, and it may find nothing where there is something.
func Choose(all []Victim, short []int64, at Place, budget Budget) (Choice, error) {
	s := newSearch(all, short, at, budget)
	chosen, err := s.best()
	exact := err == nil && !s.cut
	if errors.Is(err, errSpent) {
		s.unlimited = true
		chosen, err = s.greedy()
	}
	switch {
	case err != nil:
		return Choice{}, err
	case chosen == nil:
		return Choice{Exact: exact, Asked: s.asked, Homeless: s.toBlame()}, nil
	}
	return Choice{Found: true, Chosen: chosen.members(), Exact: exact, Asked: s.asked}, nil
}

// errSpent ends the exact search.
var errSpent = errors.New("the budget of questions is used up")

// best returns the cheapest set that makes room, nil if there is none, and errSpent when it could not find out.
func (s *search) best() (set, error) {
	for {
		proposal, err := s.propose()
		if err != nil || proposal == nil {
			return nil, err
		}
		fits, err := s.fits(proposal)
		if err != nil {
			return nil, err
		}
		if !fits {
			if err := s.learnNoRoom(proposal); err != nil {
				return nil, err
			}
			continue
		}
		moved := proposal.and(s.moving)
		housed, err := s.haveHomes(moved)
		if err != nil {
			return nil, err
		}
		if housed {
			return proposal, nil
		}
		if err := s.learnHomeless(moved); err != nil {
			return nil, err
		}
	}
}
