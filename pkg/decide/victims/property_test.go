// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// fates is the table of the issue, once more and by itself: what a VM may become at most, movable or not.
var fates = map[model.Eviction]map[bool]string{
	model.EvictionLiveMigrate:           {true: "moved", false: "spared"},
	model.EvictionLiveMigrateIfPossible: {true: "moved", false: "evicted if allowed"},
	model.EvictionExternal:              {true: "signalled if allowed", false: "signalled if allowed"},
	model.EvictionNone:                  {true: "moved if allowed", false: "evicted if allowed"},
	model.EvictionUnset:                 {true: "moved if allowed", false: "evicted if allowed"},
	"Teleport":                          {true: "spared", false: "spared"},
}

// outsideTheTable says why a VM must not be a victim that goes this way, "" if it may be.
func outsideTheTable(r Rules, s Subject, moves bool) string {
	if s.Attachment || s.Target || s.Moving || s.Paused || s.Protected || !s.Ours && !r.OthersSchedulers {
		return "it is never a victim"
	}
	switch want := fates[s.Strategy][s.Migratable]; {
	case want == "moved" && moves, want == "moved if allowed" && moves && r.MoveNone,
		want == "evicted if allowed" && !moves && r.EvictNotMigratable, want == "signalled if allowed" && moves && r.SignalExternal:
		return ""
	default:
		return "it is to be " + want
	}
}

func moversOf(all []Victim, chosen []int) []int {
	return slices.DeleteFunc(slices.Clone(chosen), func(v int) bool { return !all[v].Moves })
}

// replay carries a plan out, one step after the other, and checks the cluster after each.
func replay(t *rapid.T, s *site, chosen []int) {
	if housed, err := s.Homes(moversOf(s.all, chosen)); !housed || err != nil {
		t.Fatalf("%v have no homes (%v)", chosen, err)
	}
	after := s.clone()
	step := func(guest, node int) {
		if node != nowhere && !after.takes(node, guest) {
			t.Fatalf("node %d does not take guest %d: %v are free", node, guest, after.free(node))
		}
		after.guests[guest].node = node
		if broken := after.broken(); broken != "" {
			t.Fatalf("after guest %d: %s", guest, broken)
		}
	}
	for _, v := range chosen {
		vm := s.who[v]
		if why := outsideTheTable(s.rules, s.guests[vm].subject, s.all[v].Moves); why != "" && (!s.guests[vm].pod || s.all[v].Moves) {
			t.Fatalf("%+v, %+v: %s, and it moves: %t", s.rules, s.guests[vm].subject, why, s.all[v].Moves)
		}
		if !s.all[v].Moves {
			step(vm, nowhere)
			continue
		}
		home, ok := s.homes[vm]
		if bound := s.guests[vm].bound; !ok || home == s.node || bound != nil && home != bound[0] && home != bound[len(bound)-1] {
			t.Fatalf("VM %d is to move from node %d to node %d (%t); it may go to %v", vm, s.node, home, ok, bound)
		}
		step(vm, home)
	}
	step(s.preemptor(), s.node)
}

// clustersPerRun are tried by each of rapid's runs: one takes little time, and only few are hard.
const clustersPerRun = 5

// everySet is a budget for questions about every set of a dozen.
var everySet = Budget{Fits: 1 << 12, Homes: 1 << 12}

// seen counts what random clusters were like, so that it shows if nothing was tried.
type seen struct {
	nodes, found, none, kills, moves, both, blamed, greedy, quick, beyond int
	most                                                                  Budget
}

func (n *seen) count(s *site, choice Choice) {
	cost := CostOf(s.all, choice.Chosen)
	n.most = Budget{max(n.most.Fits, choice.Asked.Fits), max(n.most.Homes, choice.Asked.Homes)}
	for counter, is := range map[*int]bool{
		&n.nodes: true, &n.found: choice.Found, &n.none: !choice.Found, &n.kills: cost.Kills > 0 && cost.Moves == 0,
		&n.moves: cost.Moves > 1 && cost.Kills == 0, &n.both: cost.Kills > 0 && cost.Moves > 0, &n.blamed: len(choice.Homeless) > 0,
		&n.greedy: !choice.Exact, &n.quick: choice.Asked == Budget{Fits: 1, Homes: 1},
		&n.beyond: choice.Asked.Fits > UsualBudget.Fits || choice.Asked.Homes > UsualBudget.Homes,
	} {
		if is {
			*counter++
		}
	}
}

// check wants at least so many of each kind.
func (n *seen) check(t *testing.T, want seen) {
	t.Helper()
	t.Logf("%+v", *n)
	for what, number := range map[string][2]int{
		"found": {n.found, want.found}, "none": {n.none, want.none}, "kills only": {n.kills, want.kills},
		"several moves only": {n.moves, want.moves}, "kills and moves": {n.both, want.both}, "homeless": {n.blamed, want.blamed},
		"greedy": {n.greedy, want.greedy}, "one question of each kind": {n.quick, want.quick},
	} {
		if number[0] < number[1] {
			t.Errorf("%s: %d of %d nodes, want at least %d", what, number[0], n.nodes, number[1])
		}
	}
}

// choose chooses twice, and checks what holds for every answer.
func choose(t *rapid.T, s *site, short []int64, budget Budget) Choice {
	again := *s
	choice, err := Choose(s.all, short, s, budget)
	asked := s.asked
	if err != nil {
		t.Fatal(err)
	}
	second, err := Choose(again.all, short, &again, budget)
	if diff := cmp.Diff(choice, second); diff != "" || err != nil || again.asked != asked {
		t.Fatalf("asked again it says something else (%v, %v):\n%s", asked, again.asked, diff)
	}
	if choice.Found {
		replay(t, s, choice.Chosen)
	}
	s.asked = asked
	if choice.Asked != asked {
		t.Fatalf("asked %+v, and says %+v", asked, choice.Asked)
	}
	return choice
}

// checkOptimal checks a choice against trying everything.
func checkOptimal(t *rapid.T, s *site, choice Choice) {
	want := s.exhaustive()
	if !choice.Exact || choice.Found != want.found {
		t.Fatalf("node %d: %+v, want %+v", s.node, choice, want)
	}
	if !choice.Found {
		checkBlame(t, s, choice)
		return
	}
	violations := 0
	for _, v := range choice.Chosen {
		if s.all[v].Violates {
			violations++
		}
	}
	if got := (optimum{true, CostOf(s.all, choice.Chosen), violations}); got != want {
		t.Fatalf("node %d: %+v cost %+v, want %+v", s.node, choice, got, want)
	}
}

// The promise: on random clusters of up to 6 nodes and 12 VMs, nobody goes who may not, the plan can be carried out, and
// it is the cheapest there is, on each node.
func TestChooseFindsTheOptimum(t *testing.T) {
	var n seen
	rapid.Check(t, func(t *rapid.T) {
		for range clustersPerRun {
			c := drawCluster(t)
			for node := range c.nodes {
				s := siteOf(c, node)
				choice := choose(t, s, s.short(), everySet)
				n.count(s, choice)
				checkOptimal(t, s, choice)
			}
		}
	})
	n.check(t, seen{found: 100, none: 100, kills: 5, moves: 5, both: 5, blamed: 20, quick: 30})
	// In earnest the budget is smaller; it must be enough for more than 99 of 100.
	if n.beyond*100 > n.nodes {
		t.Errorf("%d of %d nodes took more questions than %+v", n.beyond, n.nodes, UsualBudget)
	}
}

// A dozen VMs on one node, hardly any homes, and half of them have to go: as hard as it gets with so few.
func TestChooseOnACrowdedNode(t *testing.T) {
	var n seen
	rapid.Check(t, func(t *rapid.T) {
		s := siteOf(drawCrowd(t), 0)
		choice := choose(t, s, s.short(), everySet)
		n.count(s, choice)
		checkOptimal(t, s, choice)
	})
	n.check(t, seen{found: 20, none: 3, moves: 5, both: 5, blamed: 3})
}

// checkBlame checks that the VMs that are said to have no homes have none, and that all but any one of them have.
func checkBlame(t *rapid.T, s *site, choice Choice) {
	if len(choice.Homeless) == 0 {
		all := make([]bool, len(s.all))
		for v := range all {
			all[v] = true
		}
		if fits, _ := s.Fits(all); fits {
			t.Fatalf("nobody is to blame, but with all gone there is room")
		}
		return
	}
	housed := s.allHoused()
	mask := 0
	for _, v := range choice.Homeless {
		mask |= 1 << v
	}
	if housed[mask] {
		t.Fatalf("%v are said to have no homes", choice.Homeless)
	}
	for _, v := range choice.Homeless {
		if !housed[mask&^(1<<v)] {
			t.Fatalf("%v have no homes, and not without %d either", choice.Homeless, v)
		}
	}
}

// Where what VMs free is not known, or only some of it, it takes more questions, but the answer is the same.
func TestChooseWithoutArithmetic(t *testing.T) {
	var n seen
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		s := siteOf(c, c.crowded)
		known := rapid.IntRange(0, 1).Draw(t, "resources known")
		short := s.short()[:known]
		for v := range s.all {
			if rapid.IntRange(0, 3).Draw(t, "not known") == 3 {
				s.all[v].Frees = nil
			}
		}
		choice := choose(t, s, short, everySet)
		n.count(s, choice)
		checkOptimal(t, s, choice)
	})
	n.check(t, seen{found: 10, none: 10, both: 1, moves: 1})
}

// Past the budget what is found may be dearer, but nobody goes who may not, the plan can be carried out, and nobody of it could have
// stayed. What is said to be exact is.
func TestChoosePastTheBudget(t *testing.T) {
	var n seen
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		s := siteOf(c, c.crowded)
		budget := Budget{Fits: rapid.IntRange(0, 6).Draw(t, "fits"), Homes: rapid.IntRange(0, 6).Draw(t, "homes")}
		short := s.short()
		if rapid.Bool().Draw(t, "nothing known") {
			short = nil
		}
		choice := choose(t, s, short, budget)
		n.count(s, choice)
		if limit := (Budget{budget.Fits + 2*len(s.all), budget.Homes + len(s.all) + 1}); s.asked.Fits > limit.Fits || s.asked.Homes > limit.Homes {
			t.Fatalf("asked %+v, want at most %+v", s.asked, limit)
		}
		want := s.exhaustive()
		if cost := CostOf(s.all, choice.Chosen); choice.Found && (!want.found || cost.Compare(want.cost) < 0) {
			t.Fatalf("%+v cost %+v, the cheapest is %+v", choice, cost, want)
		} else if choice.Exact && (choice.Found != want.found || choice.Found && cost != want.cost) {
			t.Fatalf("%+v, want %+v", choice, want)
		}
		for _, v := range choice.Chosen {
			gone := make([]bool, len(s.all))
			for _, w := range choice.Chosen {
				gone[w] = w != v
			}
			if fits, _ := s.Fits(gone); fits {
				t.Fatalf("%v: without %d there is room too", choice.Chosen, v)
			}
		}
	})
	n.check(t, seen{found: 10, greedy: 10})
}
