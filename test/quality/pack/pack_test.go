// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func items(sizes ...int64) []Item {
	var all []Item
	for _, size := range sizes {
		all = append(all, Item{Need: []int64{size}})
	}
	return all
}

func bins(sizes ...int64) [][]int64 {
	var all [][]int64
	for _, size := range sizes {
		all = append(all, []int64{size})
	}
	return all
}

func TestFirstFitDecreasing(t *testing.T) {
	tests := map[string]struct {
		problem        Problem
		used, left, at int // at: the lower bound
	}{
		"decreasing packs where first fit would not": {Problem{Items: items(3, 3, 7, 7), Bins: bins(10, 10, 10)}, 2, 0, 2},
		"large bins first":                           {Problem{Items: items(4, 4), Bins: bins(4, 4, 8)}, 1, 0, 1},
		"too much":                                   {Problem{Items: items(9, 9), Bins: bins(10)}, 1, 1, 1},
		"nothing":                                    {Problem{Bins: bins(10)}, 0, 0, 0},
		"two dimensions": {Problem{
			Items: []Item{{Need: []int64{9, 1}}, {Need: []int64{1, 9}}, {Need: []int64{9, 1}}, {Need: []int64{1, 9}}},
			Bins:  [][]int64{{10, 10}, {10, 10}, {10, 10}},
		}, 2, 0, 2},
		// By size alone, the large item takes the only bin that the small one can go to.
		"the pickiest first": {Problem{
			Items: []Item{{Need: []int64{9}}, {Need: []int64{2}, Class: 1}},
			Bins:  bins(10, 9),
			Takes: func(class, bin int) bool { return class == 0 || bin == 0 },
		}, 2, 0, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := tc.problem.FirstFitDecreasing()
			if got.Used != tc.used || got.Left != tc.left {
				t.Errorf("FirstFitDecreasing() used %d bins and left %d items, want %d and %d", got.Used, got.Left, tc.used, tc.left)
			}
			if got := tc.problem.LowerBound(); got != tc.at {
				t.Errorf("LowerBound() = %d, want %d", got, tc.at)
			}
		})
	}
}

// Whatever comes in: no bin holds more than it has room for or what it does not take, the counts are right, and the lower
// bound is one.
func TestPackingsAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vector := rapid.SliceOfN(rapid.Int64Range(0, 20), 2, 2)
		p := Problem{
			Items: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Item {
				return Item{Need: vector.Draw(t, "need"), Class: rapid.IntRange(0, 2).Draw(t, "class")}
			}), 0, 30).Draw(t, "items"),
			Bins:  rapid.SliceOfN(vector, 1, 10).Draw(t, "bins"),
			Takes: func(class, bin int) bool { return (class+bin)%3 != 0 },
		}
		got := p.FirstFitDecreasing()
		used, left := map[int]bool{}, 0
		var room [][]int64
		for _, bin := range p.Bins {
			room = append(room, slices.Clone(bin))
		}
		for i, bin := range got.Bin {
			if bin < 0 {
				left++
				continue
			}
			used[bin] = true
			if !p.Takes(p.Items[i].Class, bin) {
				t.Fatalf("item %d is in bin %d, which does not take it", i, bin)
			}
			for d, need := range p.Items[i].Need {
				if room[bin][d] -= need; room[bin][d] < 0 {
					t.Fatalf("bin %d is over full", bin)
				}
			}
		}
		if len(used) != got.Used || left != got.Left {
			t.Fatalf("used %d, left %d, want %d and %d", got.Used, got.Left, len(used), left)
		}
		if got.Left == 0 && p.LowerBound() > got.Used {
			t.Fatalf("lower bound %d above %d bins that suffice", p.LowerBound(), got.Used)
		}
	})
}
