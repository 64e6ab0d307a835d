// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"testing"

	"pgregory.net/rapid"
)

func TestBound(t *testing.T) {
	tests := map[string]struct {
		all   []Victim
		short []int64
		want  Cost
		none  bool
	}{
		"nobody may go":                         {short: []int64{1}, none: true},
		"nobody may go, and nothing is lacking": {none: true},
		"one move is enough":                    {all: []Victim{moves(5).frees(4).Obj(), moves(3).frees(4).Obj()}, short: []int64{4}, want: Cost{Moves: 1, Memory: 3}},
		"the small one is not enough":           {all: []Victim{moves(5).frees(4).Obj(), moves(3).frees(2).Obj()}, short: []int64{4}, want: Cost{Moves: 1, Memory: 5}},
		"two are needed":                        {all: []Victim{moves(5).frees(4).Obj(), moves(3).frees(2).Obj()}, short: []int64{5}, want: Cost{Moves: 2, Memory: 8}},
		"two of three":                          {all: []Victim{moves(5).frees(3).Obj(), moves(3).frees(3).Obj(), moves(1).frees(3).Obj()}, short: []int64{6}, want: Cost{Moves: 2, Memory: 4}},
		"a move rather than a kill":             {all: []Victim{pod().frees(9).Obj(), moves(3).frees(4).Obj()}, short: []int64{4}, want: Cost{Moves: 1, Memory: 3}},
		"moves are not enough":                  {all: []Victim{pod().frees(9).Obj(), moves(3).frees(4).Obj()}, short: []int64{5}, want: Cost{Kills: 1}},
		"a kill and a move":                     {all: []Victim{pod().frees(2).Obj(), moves(3).frees(4).Obj()}, short: []int64{6}, want: Cost{Kills: 1, Moves: 1, Memory: 3}},
		"two kills":                             {all: []Victim{pod().frees(2).Obj(), pod().frees(3).Obj(), pod().frees(1).Obj()}, short: []int64{5}, want: Cost{Kills: 2}},
		"all together are too few":              {all: []Victim{pod().frees(2).Obj(), moves(3).frees(4).Obj()}, short: []int64{7}, none: true},
		"of one resource there are":             {all: []Victim{moves(3).frees(4, 0).Obj()}, short: []int64{4, 1}, none: true},
		"each resource by another":              {all: []Victim{moves(3).frees(4, 0).Obj(), moves(2).frees(0, 4).Obj()}, short: []int64{4, 4}, want: Cost{Moves: 2, Memory: 5}},
		"nothing that is counted":               {all: []Victim{moves(3).frees(4).Obj(), pod().Obj(), moves(2).frees(1).Obj()}, short: []int64{0}, want: Cost{Moves: 1, Memory: 2}},
		"nothing, and nobody can move":          {all: []Victim{pod().Obj(), pod().Obj()}, want: Cost{Kills: 1}},
		"nothing is known":                      {all: []Victim{moves(3).Obj(), pod().Obj(), moves(2).Obj()}, want: Cost{Moves: 1, Memory: 2}},
		"less than nothing is lacking":          {all: []Victim{moves(3).frees(1).Obj()}, short: []int64{-5}, want: Cost{Moves: 1, Memory: 3}},
		"what is not said is enough":            {all: []Victim{moves(3).frees(1).Obj()}, short: []int64{1, 1 << 50}, want: Cost{Moves: 1, Memory: 3}},
		"less than nothing becomes free":        {all: []Victim{moves(3).frees(-4).Obj(), moves(4).frees(4).Obj()}, short: []int64{4}, want: Cost{Moves: 1, Memory: 4}},
		"less than no memory":                   {all: []Victim{moves(-3).frees(4).Obj()}, short: []int64{4}, want: Cost{Moves: 1}},
		"one that moves is of no help":          {all: []Victim{moves(0).frees(0).Obj(), pod().frees(4).Obj()}, short: []int64{4}, want: Cost{Kills: 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := Bound(tc.all, tc.short)
			if got != tc.want || ok == tc.none {
				t.Errorf("Bound() = %+v, %t; want %+v, %t", got, ok, tc.want, !tc.none)
			}
		})
	}
}

// makesRoomBy is what short and Frees say, in so many words.
func makesRoomBy(all []Victim, short []int64, set int) bool {
	for d, lacking := range short {
		for i := range all {
			switch {
			case set&(1<<i) == 0:
			case d >= len(all[i].Frees):
				lacking = 0
			default:
				lacking -= max(all[i].Frees[d], 0)
			}
		}
		if lacking > 0 {
			return false
		}
	}
	return true
}

func membersOf(set int) (members []int) {
	for i := 0; set>>i != 0; i++ {
		if set&(1<<i) != 0 {
			members = append(members, i)
		}
	}
	return members
}

// TestBoundIsABound: no set that makes room costs less, and where there is none said to be there is none.
func TestBoundIsABound(t *testing.T) {
	exact, none, cheaper, nodes := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		resources := rapid.IntRange(0, 3).Draw(t, "resources")
		amount := rapid.Int64Range(-1, 6)
		var all []Victim
		for range rapid.IntRange(0, 7).Draw(t, "victims") {
			v := Victim{Moves: rapid.Bool().Draw(t, "moves"), Memory: rapid.Int64Range(-1, 9).Draw(t, "memory")}
			said := resources
			if rapid.IntRange(0, 5).Draw(t, "all said") == 0 {
				said = rapid.IntRange(0, resources).Draw(t, "said")
			}
			for range said {
				v.Frees = append(v.Frees, amount.Draw(t, "frees"))
			}
			all = append(all, v)
		}
		var short []int64
		for range resources {
			short = append(short, rapid.Int64Range(-2, 16).Draw(t, "short"))
		}
		bound, ok := Bound(all, short)
		if bound.Kills < 0 || bound.Moves < 0 || bound.Memory < 0 {
			t.Fatalf("Bound() = %+v", bound)
		}
		var best *Cost
		for set := 1; set < 1<<len(all); set++ { // somebody has to go: the pod does not fit as it is
			if !makesRoomBy(all, short, set) {
				continue
			}
			cost := CostOf(all, membersOf(set))
			if !ok || cost.Compare(bound) < 0 {
				t.Fatalf("%v make room for %+v, and Bound() = %+v, %t", membersOf(set), cost, bound, ok)
			}
			if best == nil || cost.Compare(*best) < 0 {
				best = &cost
			}
		}
		nodes++
		switch {
		case !ok:
			none++
		case best != nil && *best == bound:
			exact++
		case best != nil:
			cheaper++
		}
		if ok && len(all) == 0 {
			t.Fatal("room is made though nobody may go")
		}
	})
	t.Logf("of %d nodes the bound was exact on %d, too low on %d, and on %d it said that there was no room to be made", nodes, exact, cheaper, none)
	if exact < nodes/4 || none == 0 {
		t.Errorf("of %d nodes the bound was exact on %d only, and said of %d that there was no room", nodes, exact, none)
	}
}

// Choose, which is exact, finds nothing cheaper.
func TestBoundAndChoose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		for node := range c.nodes {
			s := siteOf(c, node)
			short := s.short()
			bound, ok := Bound(s.all, short)
			choice := choose(t, s, short, everySet)
			if choice.Found && len(choice.Chosen) > 0 && (!ok || CostOf(s.all, choice.Chosen).Compare(bound) < 0) {
				t.Fatalf("Choose() found %+v, and Bound() = %+v, %t", CostOf(s.all, choice.Chosen), bound, ok)
			}
		}
	})
}
