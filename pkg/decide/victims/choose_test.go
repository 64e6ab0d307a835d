// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// victim is a Victim under construction.
type victim struct{ Victim }

func moves(memory int64) victim { return victim{Victim{Moves: true, Memory: memory}} }
func pod() victim               { return victim{} }

func (v victim) frees(amounts ...int64) victim { v.Frees = amounts; return v }
func (v victim) violates() victim              { v.Violates = true; return v }
func (v victim) Obj() Victim                   { return v.Victim }

func several(n int, v victim) []Victim { return slices.Repeat([]Victim{v.Obj()}, n) }

// answers is a Place that answers by functions of the positions; nil is always yes. It counts questions.
type answers struct {
	fits, homes func(set []int) bool
	asked       Budget
	// failing is the number of the question that fails, from 1 on.
	failing int
	// yes are the sets about which each question was answered with yes.
	yesFits, yesHomes [][]int
}

var errPlace = errors.New("no answer")

func (a *answers) Fits(gone []bool) (bool, error) {
	a.asked.Fits++
	var set []int
	for i, g := range gone {
		if g {
			set = append(set, i)
		}
	}
	yes := a.fits == nil || a.fits(set)
	if yes {
		a.yesFits = append(a.yesFits, set)
	}
	return yes, a.failed()
}

func (a *answers) Homes(moved []int) (bool, error) {
	a.asked.Homes++
	yes := a.homes == nil || a.homes(moved)
	if yes {
		a.yesHomes = append(a.yesHomes, slices.Clone(moved))
	}
	return yes, a.failed()
}

func (a *answers) failed() error {
	if a.asked.Fits+a.asked.Homes == a.failing {
		return errPlace
	}
	return nil
}

func never([]int) bool { return false }

// holding is true for sets that hold all of these.
func holding(these ...int) func([]int) bool {
	return func(set []int) bool {
		return !slices.ContainsFunc(these, func(i int) bool { return !slices.Contains(set, i) })
	}
}

// without is true for sets that hold none of these.
func without(these ...int) func([]int) bool {
	return func(set []int) bool {
		return !slices.ContainsFunc(these, func(i int) bool { return slices.Contains(set, i) })
	}
}

// atMost is true for sets of no more than n.
func atMost(n int) func([]int) bool { return func(set []int) bool { return len(set) <= n } }

func TestChoose(t *testing.T) {
	exact := func(asked Budget, chosen ...int) Choice {
		return Choice{Found: true, Chosen: chosen, Exact: true, Asked: asked}
	}
	once := Budget{Fits: 1, Homes: 1}
	equal := several(10, moves(8).frees(4, 8))
	pods := several(10, pod().frees(4, 8))
	tests := map[string]struct {
		all    []Victim
		short  []int64
		at     answers
		budget Budget // UsualBudget if it is none
		want   Choice
	}{
		// The usual case: two questions.
		"one of ten":        {all: equal, short: []int64{3, 8}, want: exact(once, 9)},
		"two of ten":        {all: equal, short: []int64{5, 8}, want: exact(once, 8, 9)},
		"three of ten":      {all: equal, short: []int64{3, 17}, want: exact(once, 7, 8, 9)},
		"four of ten":       {all: equal, short: []int64{16, 32}, want: exact(once, 6, 7, 8, 9)},
		"seven of ten":      {all: equal, short: []int64{28, 1}, want: exact(once, 3, 4, 5, 6, 7, 8, 9)},
		"pods need no home": {all: pods, short: []int64{5, 5}, want: exact(Budget{Fits: 1}, 8, 9)},

		// What is cheaper.
		"one move rather than two with less memory": {
			all: []Victim{moves(16).frees(16).Obj(), moves(4).frees(4).Obj(), moves(4).frees(4).Obj()}, short: []int64{8}, want: exact(once, 0),
		},
		"less memory, though more important": {
			all: []Victim{moves(8).frees(4, 8).Obj(), moves(16).frees(4, 8).Obj()}, short: []int64{4}, want: exact(once, 0),
		},
		"moves rather than one kill": {
			all: []Victim{moves(4).frees(4).Obj(), moves(4).frees(4).Obj(), moves(4).frees(4).Obj(), pod().frees(99).Obj()}, short: []int64{12}, want: exact(once, 0, 1, 2),
		},
		"one kill and moves rather than two kills": {
			all: []Victim{pod().frees(6).Obj(), pod().frees(6).Obj(), moves(4).frees(4).Obj()}, short: []int64{10}, want: exact(once, 1, 2),
		},
		"one kill rather than one kill and a move": {
			all: []Victim{pod().frees(10).Obj(), pod().frees(6).Obj(), moves(4).frees(4).Obj()}, short: []int64{10}, at: answers{}, want: exact(Budget{Fits: 1}, 0),
		},
		"no budget violated, though more important": {
			all: []Victim{moves(8).frees(4).Obj(), moves(8).frees(4).violates().Obj()}, short: []int64{4}, want: exact(once, 0),
		},
		"a violated budget rather than more memory": {
			all: []Victim{moves(9).frees(4).Obj(), moves(8).frees(4).violates().Obj()}, short: []int64{4}, want: exact(once, 1),
		},
		"pods: no budget violated": {
			all: []Victim{pod().frees(4).Obj(), pod().frees(4).Obj(), pod().frees(4).violates().Obj()}, short: []int64{8}, want: exact(Budget{Fits: 1}, 0, 1),
		},
		"pods: fewer budgets violated, though more important": {
			all:   []Victim{pod().frees(9).violates().Obj(), pod().frees(5).violates().Obj(), pod().frees(5).violates().Obj(), pod().frees(1).Obj()},
			short: []int64{10}, want: exact(Budget{Fits: 1}, 0, 3),
		},
		"the most important stays, even if that takes the two after it": {
			all: []Victim{pod().frees(3).Obj(), pod().frees(2).Obj(), pod().frees(2).Obj(), pod().frees(1).Obj()}, short: []int64{4}, want: exact(Budget{Fits: 1}, 1, 2),
		},
		"memory of what is shut down does not count": {
			all: []Victim{victim{Victim{Memory: 99}}.frees(4).Obj(), pod().frees(3).Obj()}, short: []int64{4}, want: exact(Budget{Fits: 1}, 0),
		},

		// Homes.
		"one without a home": {
			all: []Victim{moves(9).frees(4).Obj(), moves(8).frees(4).Obj()}, short: []int64{4}, at: answers{homes: without(1)}, want: exact(Budget{2, 2}, 0),
		},
		"one of three has no home: the others are tried without it": {
			all: equal, short: []int64{12}, at: answers{homes: without(8)}, want: exact(Budget{2, 5}, 6, 7, 9),
		},
		"who has no home is not asked about again": {
			all: append(several(3, moves(1).frees(4)), pod().frees(4).Obj()), short: []int64{4}, at: answers{homes: never}, want: exact(Budget{4, 3}, 3),
		},
		"homes for two, room for three needed": {
			all: several(3, moves(1).frees(4)), short: []int64{12}, at: answers{homes: atMost(2)},
			want: Choice{Exact: true, Asked: Budget{1, 4}, Homeless: []int{0, 1, 2}},
		},
		"homes for two, room for three needed, and one kill": {
			all: append(several(3, moves(1).frees(4)), pod().frees(4).Obj()), short: []int64{12}, at: answers{homes: atMost(2)},
			want: exact(Budget{2, 4}, 1, 2, 3),
		},
		"nobody has a home": {
			all: several(2, moves(1).frees(4)), short: []int64{4}, at: answers{homes: never}, want: Choice{Exact: true, Asked: Budget{2, 2}, Homeless: []int{1}},
		},

		// What arithmetic does not know.
		"fits as it is":                 {all: equal, want: exact(Budget{Fits: 1})},
		"nothing is lacking":            {all: equal, short: []int64{-4, 0}, want: exact(Budget{Fits: 1})},
		"may not be with one of them":   {all: equal, at: answers{fits: holding(3)}, want: exact(Budget{Fits: 1 + 1 + 10 + 1, Homes: 1}, 3)},
		"may not be with three of them": {all: equal, at: answers{fits: holding(0, 3, 6)}, want: exact(Budget{Fits: 13, Homes: 1}, 0, 3, 6)},
		"may not be with one, lacks more": {
			all: equal, short: []int64{7}, at: answers{fits: holding(3)}, want: exact(Budget{Fits: 13, Homes: 1}, 3, 9),
		},
		"may not be with one that has no home": {
			all: equal, at: answers{fits: holding(3), homes: without(3)}, want: Choice{Exact: true, Asked: Budget{Fits: 13, Homes: 1}, Homeless: []int{3}},
		},
		"what they free is not known": {
			all: several(3, moves(1)), short: []int64{7}, at: answers{fits: holding(1)}, want: exact(Budget{Fits: 6, Homes: 1}, 1),
		},
		"it is known of one resource": {
			all: several(3, moves(1).frees(4)), short: []int64{8, 7}, at: answers{}, want: exact(once, 1, 2),
		},
		"more than 64": {
			all: several(130, pod()), at: answers{fits: holding(5, 128)}, want: exact(Budget{Fits: 1 + 1 + 130 + 1}, 5, 128),
		},

		// None.
		"nobody may go":                          {short: []int64{1}, want: Choice{Exact: true}},
		"even all do not free enough":            {all: equal, short: []int64{41}, want: Choice{Exact: true}},
		"what takes more does not free":          {all: []Victim{moves(1).frees(-5).Obj(), moves(1).frees(5).Obj()}, short: []int64{6}, want: Choice{Exact: true}},
		"no room even without all":               {all: equal, short: []int64{1}, at: answers{fits: never}, want: Choice{Exact: true, Asked: Budget{Fits: 2}}},
		"wants to be with one that would go too": {all: equal, short: []int64{5}, at: answers{fits: without(9)}, want: Choice{Exact: true, Asked: Budget{Fits: 2}}},

		// Past the budget.
		"no questions: greedy": {
			all: several(3, moves(1).frees(4)), short: []int64{8}, budget: Budget{Fits: -1},
			want: Choice{Found: true, Chosen: []int{1, 2}, Asked: Budget{Fits: 1, Homes: 2}},
		},
		"greedy goes on without one that has no home": {
			all: append(several(3, moves(1).frees(4)), pod().frees(4).Obj()), short: []int64{8}, at: answers{homes: without(2)}, budget: Budget{Fits: -1},
			want: Choice{Found: true, Chosen: []int{0, 1}, Asked: Budget{Fits: 1, Homes: 3}},
		},
		"greedy kills who has no home instead": {
			all: append(several(2, moves(1).frees(4)), pod().frees(4).Obj()), short: []int64{8}, at: answers{homes: without(1)}, budget: Budget{Fits: -1},
			want: Choice{Found: true, Chosen: []int{0, 2}, Asked: Budget{Fits: 1, Homes: 2}},
		},
		"greedy lets those stay that need not go": {
			all: []Victim{moves(4).frees(4).Obj(), moves(2).frees(2).Obj(), moves(1).frees(1).Obj()}, short: []int64{4}, budget: Budget{Fits: -1},
			want: Choice{Found: true, Chosen: []int{0}, Asked: Budget{Fits: 3, Homes: 4}},
		},
		"greedy keeps one that need not move where the others have no homes without it": {
			all: []Victim{moves(4).frees(4).Obj(), moves(1).frees(1).Obj()}, short: []int64{4}, budget: Budget{Fits: -1},
			at:   answers{homes: func(set []int) bool { return !slices.Equal(set, []int{0}) }},
			want: Choice{Found: true, Chosen: []int{0, 1}, Asked: Budget{Fits: 2, Homes: 3}},
		},
		"questions about homes are used up": {
			all: equal, short: []int64{12}, at: answers{homes: without(8)}, budget: Budget{Fits: 9, Homes: 1},
			want: Choice{Found: true, Chosen: []int{6, 7, 9}, Asked: Budget{Fits: 2, Homes: 1 + 4}},
		},
		"questions about room are used up": {
			all: several(3, pod()), at: answers{fits: holding(1)}, budget: Budget{Fits: 2, Homes: 9},
			want: Choice{Found: true, Chosen: []int{1}, Asked: Budget{Fits: 2 + 4}},
		},
		"greedy finds nothing": {
			all: several(2, moves(1).frees(4)), short: []int64{8}, at: answers{homes: atMost(1)}, budget: Budget{Fits: -1},
			want: Choice{Asked: Budget{Homes: 2}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			budget := tc.budget
			if budget == (Budget{}) {
				budget = UsualBudget
			}
			got, err := Choose(tc.all, tc.short, &tc.at, budget)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Chosen) == 0 {
				got.Chosen = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Choose() (-want +got):\n%s", diff)
			}
			if got.Asked != tc.at.asked {
				t.Errorf("Asked %+v, it were %+v", got.Asked, tc.at.asked)
			}
		})
	}
}

// Whichever question fails, the error is what the caller gets, also in the greedy search.
func TestChooseFails(t *testing.T) {
	for name, budget := range map[string]Budget{"exact": UsualBudget, "greedy": {}, "greedy from the fourth question on": {Fits: 3, Homes: 3}} {
		t.Run(name, func(t *testing.T) {
			for failing := 1; ; failing++ {
				at := &answers{fits: holding(0, 3), homes: without(1), failing: failing}
				choice, err := Choose(append(several(3, moves(1)), several(2, pod())...), nil, at, budget)
				if at.asked.Fits+at.asked.Homes < failing { // that many are not asked
					if err != nil || !choice.Found || failing < 5 {
						t.Errorf("%d questions: %+v, %v; want 5 or more", failing-1, choice, err)
					}
					return
				}
				if !errors.Is(err, errPlace) || choice.Found {
					t.Errorf("question %d fails: %+v, %v", failing, choice, err)
				}
			}
		})
	}
}

// Whatever a place answers, even what makes no sense, nobody is chosen unless both questions were answered with yes for exactly
// those.
func TestChooseTakesAYesAsAWhole(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		var all []Victim
		for range even(1, 9).Draw(t, "victims") {
			v := moves(int64(even(0, 3).Draw(t, "memory"))).frees(int64(even(0, 3).Draw(t, "frees")))
			v.Moves = even(0, 2).Draw(t, "moves") > 0
			all = append(all, v.Obj())
		}
		seed, likely := byte(even(0, 255).Draw(t, "seed")), uint64(even(1, 4).Draw(t, "yes, of 5"))
		random := func(salt byte) func([]int) bool {
			return func(set []int) bool {
				hash := fnv.New64a()
				_, _ = hash.Write([]byte{seed, salt})
				for _, i := range set {
					_, _ = hash.Write([]byte{byte(i)})
				}
				return hash.Sum64()%5 < likely
			}
		}
		at := &answers{fits: random('f'), homes: random('h')}
		budget := Budget{Fits: even(0, 40).Draw(t, "fits"), Homes: even(0, 40).Draw(t, "homes")}
		choice, err := Choose(all, []int64{int64(even(0, 9).Draw(t, "short"))}, at, budget)
		if err != nil {
			t.Fatal(err)
		}
		if !choice.Found {
			return
		}
		found++
		is := func(set []int) bool { return slices.Equal(set, choice.Chosen) }
		if !slices.ContainsFunc(at.yesFits, is) {
			t.Fatalf("%v: room was never promised; it was for %v", choice.Chosen, at.yesFits)
		}
		moved := moversOf(all, choice.Chosen)
		if len(moved) > 0 && !slices.ContainsFunc(at.yesHomes, func(set []int) bool { return slices.Equal(set, moved) }) {
			t.Fatalf("%v: homes were never promised; they were for %v", moved, at.yesHomes)
		}
	})
	if found == 0 {
		t.Error("nothing was ever found: nothing was compared")
	}
}

// Where there are too many sets to look at all, the number of moves is still the least.
func TestChooseAmongMany(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var all []Victim
	var cpus []int64
	for range 80 {
		cpu := 1000 + random.Int64N(1000)
		all, cpus = append(all, moves(1+random.Int64N(1<<20)).frees(cpu).Obj()), append(cpus, cpu)
	}
	slices.Sort(cpus)
	const moves = 12
	var short int64
	for _, cpu := range cpus[len(cpus)-moves:] {
		short += cpu
	}
	at := &answers{}
	got, err := Choose(all, []int64{short - 500}, at, UsualBudget)
	if err != nil {
		t.Fatal(err)
	}
	if cost := CostOf(all, got.Chosen); !got.Found || got.Exact || cost.Moves != moves || at.asked != (Budget{1, 1}) {
		t.Errorf("%+v, cost %+v, asked %+v; want %d moves, not exact, one question of each kind", got, cost, at.asked, moves)
	}
}

// The usual case, two questions: what is left is what it costs to find out which ones to ask.
func BenchmarkChoose(b *testing.B) {
	for _, vms := range []int{10, 40, 110} {
		b.Run(strconv.Itoa(vms), func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			var all []Victim
			for range vms {
				memory := 1 + random.Int64N(16)
				all = append(all, moves(memory).frees(1+random.Int64N(4), memory).Obj())
			}
			at := &answers{}
			for b.Loop() {
				at.yesFits, at.yesHomes = nil, nil
				if choice, err := Choose(all, []int64{5, 30}, at, UsualBudget); err != nil || choice.Asked != (Budget{1, 1}) {
					b.Fatalf("%+v, %v", choice, err)
				}
			}
		})
	}
}
