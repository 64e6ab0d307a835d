// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// houses are numbered from 0 and hold so much each. A nil list of candidates is all of them, in order.
type houses struct {
	room       []int64
	size       []int64         // of VMs
	candidates map[int][]int   // of VMs that have not all
	apart      [][2]int        // VMs that may not be on one host
	refuse     map[[2]int]bool // VM and host: a candidate at a glance, and not at a closer look
	homes      map[int]int
	puts       int
	// failing is the number of the call that fails, from 1 on.
	failing, calls int
}

var errHouses = errors.New("no answer")

func (h *houses) fails() error {
	if h.calls++; h.calls == h.failing {
		return errHouses
	}
	return nil
}

func (h *houses) Candidates(vm int) ([]int, error) {
	if list, ok := h.candidates[vm]; ok {
		return list, h.fails()
	}
	all := make([]int, len(h.room))
	for i := range all {
		all[i] = i
	}
	return all, h.fails()
}

func (h *houses) Put(vm, host int) (bool, error) {
	h.puts++
	if err := h.fails(); err != nil {
		return false, err
	}
	if h.refuse[[2]int{vm, host}] || h.size[vm] > h.room[host] {
		return false, nil
	}
	for _, pair := range h.apart {
		for i, one := range pair {
			if home, ok := h.homes[pair[1-i]]; one == vm && ok && home == host {
				return false, nil
			}
		}
	}
	h.room[host] -= h.size[vm]
	h.homes[vm] = host
	return true, nil
}

func (h *houses) Take(vm, host int) error {
	if home, ok := h.homes[vm]; !ok || home != host {
		return errors.New("it is not there")
	}
	h.room[host] += h.size[vm]
	delete(h.homes, vm)
	return h.fails()
}

func manyHosts(n int, room int64) []int64 { return slices.Repeat([]int64{room}, n) }

func TestRehome(t *testing.T) {
	nobodyTakes := map[[2]int]bool{}
	for host := range 50 {
		nobodyTakes[[2]int{2, host}] = true
	}
	tests := map[string]struct {
		houses    houses
		vms       []int
		limit     int // of puts; 0 is 1000
		want      []int
		wantNone  bool
		wantPuts  int
		dontCount bool
	}{
		"nobody":                   {houses: houses{room: []int64{9}}},
		"the best host":            {houses: houses{room: []int64{9, 9}, size: []int64{4}, candidates: map[int][]int{0: {1, 0}}}, vms: []int{0}, want: []int{1}, wantPuts: 1},
		"the next best":            {houses: houses{room: []int64{9, 3}, size: []int64{4}, candidates: map[int][]int{0: {1, 0}}}, vms: []int{0}, want: []int{0}, wantPuts: 2},
		"numbers are the caller's": {houses: houses{room: []int64{9, 9}, size: []int64{0, 0, 0, 4}, candidates: map[int][]int{3: {1}}}, vms: []int{3}, want: []int{1}, wantPuts: 1},
		"two on one":               {houses: houses{room: []int64{8}, size: []int64{4, 4}}, vms: []int{0, 1}, want: []int{0, 0}, wantPuts: 2},
		"only one of two":          {houses: houses{room: []int64{7}, size: []int64{4, 4}}, vms: []int{0, 1}, wantNone: true, dontCount: true},
		"apart":                    {houses: houses{room: []int64{8, 8}, size: []int64{4, 4}, apart: [][2]int{{0, 1}}}, vms: []int{0, 1}, want: []int{0, 1}, wantPuts: 3},
		"no candidate":             {houses: houses{room: []int64{9}, size: []int64{1, 1}, candidates: map[int][]int{1: {}}}, vms: []int{0, 1}, wantNone: true},
		"the one with fewer candidates first": {
			houses: houses{room: []int64{4, 4}, size: []int64{4, 4}, candidates: map[int][]int{1: {0}}}, vms: []int{0, 1}, want: []int{1, 0}, wantPuts: 3,
		},
		"the first choice of one is the only one of the other": {
			// Both have two candidates, but the second one of VM 1 is too small. It is brought forward.
			houses: houses{room: []int64{4, 4, 1}, size: []int64{4, 4}, candidates: map[int][]int{0: {0, 1}, 1: {0, 2}}}, vms: []int{0, 1}, want: []int{1, 0}, wantPuts: 6,
		},
		"the first choice of one has to be taken back": {
			// Whichever comes first, the hosts are full only with 3 + 3 and 2 + 2.
			houses: houses{room: []int64{6, 4}, size: []int64{2, 3, 2, 3}}, vms: []int{0, 1, 2, 3}, want: []int{1, 0, 1, 0}, dontCount: true,
		},
		"one that nobody takes is found out soon": {
			houses: houses{room: manyHosts(50, 9), size: []int64{1, 1, 1}, refuse: nobodyTakes}, vms: []int{0, 1, 2}, wantNone: true, wantPuts: 2 + 50 + 50,
		},
		"as many questions as allowed":   {houses: houses{room: []int64{1, 1, 4}, size: []int64{4}}, vms: []int{0}, limit: 3, want: []int{2}, wantPuts: 3},
		"one question fewer":             {houses: houses{room: []int64{1, 1, 4}, size: []int64{4}}, vms: []int{0}, limit: 2, wantNone: true, wantPuts: 2},
		"no questions":                   {houses: houses{room: []int64{4}, size: []int64{4}}, vms: []int{0}, limit: -1, wantNone: true},
		"used up while there is another": {houses: houses{room: manyHosts(50, 9), size: []int64{1, 1, 1}, refuse: nobodyTakes}, vms: []int{0, 1, 2}, limit: 60, wantNone: true, wantPuts: 60},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tc.houses.room)
			tc.houses.homes = map[int]int{}
			limit := tc.limit
			if limit == 0 {
				limit = 1000
			}
			homes, ok, err := Rehome(tc.vms, &tc.houses, limit)
			if err != nil {
				t.Fatal(err)
			}
			if ok == tc.wantNone || len(homes) != len(tc.want) || !tc.wantNone && !slices.Equal(homes, tc.want) {
				t.Errorf("Rehome() = %v, %t; want %v, %t", homes, ok, tc.want, !tc.wantNone)
			}
			if !tc.dontCount && tc.houses.puts != tc.wantPuts {
				t.Errorf("%d times Put, want %d", tc.houses.puts, tc.wantPuts)
			}
			if diff := cmp.Diff(before, tc.houses.room); diff != "" || len(tc.houses.homes) > 0 {
				t.Errorf("left behind: %v\n%s", tc.houses.homes, diff)
			}
		})
	}
}

// Whichever call fails, the error is what the caller gets.
func TestRehomeFails(t *testing.T) {
	for failing := 1; ; failing++ {
		h := &houses{room: []int64{4, 4}, size: []int64{4, 4}, homes: map[int]int{}, failing: failing}
		homes, ok, err := Rehome([]int{0, 1}, h, 100)
		if h.calls < failing { // that many calls are not made
			if err != nil || !ok || failing < 7 {
				t.Errorf("%d calls: %v, %t, %v; want homes, and 7 calls or more", h.calls, homes, ok, err)
			}
			return
		}
		if !errors.Is(err, errHouses) || ok || homes != nil {
			t.Errorf("call %d fails: %v, %t, %v", failing, homes, ok, err)
		}
	}
}

// There are homes if and only if trying all finds some; those that are returned are homes; nothing is left behind; and no
// more is asked than allowed.
func TestRehomeFindsHomesIfThereAreAny(t *testing.T) {
	found, none, spent := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		h := &houses{candidates: map[int][]int{}, refuse: map[[2]int]bool{}, homes: map[int]int{}}
		for range even(1, 4).Draw(t, "hosts") {
			h.room = append(h.room, int64(even(0, 12).Draw(t, "room")))
		}
		var vms []int
		for vm := range even(1, 6).Draw(t, "VMs") {
			h.size, vms = append(h.size, int64(even(1, 5).Draw(t, "size"))), append(vms, vm)
			if rapid.Bool().Draw(t, "some hosts only") {
				h.candidates[vm] = rapid.SliceOfNDistinct(rapid.IntRange(0, len(h.room)-1), 1, len(h.room), rapid.ID).Draw(t, "candidates")
			}
			if vm > 0 && rapid.Bool().Draw(t, "apart") {
				h.apart = append(h.apart, [2]int{vm, even(0, vm-1).Draw(t, "from")})
			}
			h.refuse[[2]int{vm, even(0, len(h.room)-1).Draw(t, "refused by")}] = true
		}
		before := slices.Clone(h.room)
		limit := 1 << 20
		if rapid.Bool().Draw(t, "few questions") {
			limit = rapid.IntRange(0, 20).Draw(t, "limit")
		}
		homes, ok, err := Rehome(vms, h, limit)
		if err != nil || len(h.homes) > 0 || !slices.Equal(before, h.room) || h.puts > limit {
			t.Fatalf("left behind: %v, room %v, was %v; %d questions of %d; %v", h.homes, h.room, before, h.puts, limit, err)
		}
		switch {
		case ok:
			found++
			for vm, home := range homes {
				candidates, _ := h.Candidates(vm)
				if fits, _ := h.Put(vm, home); !fits || !slices.Contains(candidates, home) {
					t.Fatalf("%v: VM %d has no home there", homes, vm)
				}
			}
		case h.puts == limit:
			spent++
		default:
			none++
			if homes := h.tryAll(vms); homes != nil {
				t.Fatalf("none found, but there are: %v", homes)
			}
		}
	})
	t.Logf("%d found, %d without, %d not found within the limit", found, none, spent)
	if found == 0 || none == 0 || spent == 0 {
		t.Errorf("%d found, %d without, %d not found within the limit: want some of each", found, none, spent)
	}
}

// tryAll tries all ways to share VMs out.
func (h *houses) tryAll(vms []int) []int {
	if len(vms) == 0 {
		return []int{}
	}
	candidates, _ := h.Candidates(vms[0])
	for _, host := range candidates {
		if fits, _ := h.Put(vms[0], host); fits {
			rest := h.tryAll(vms[1:])
			_ = h.Take(vms[0], host)
			if rest != nil {
				return append([]int{host}, rest...)
			}
		}
	}
	return nil
}
