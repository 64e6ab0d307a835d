// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	tests := map[string]struct {
		a, b Cost
		want int
	}{
		"equal":                                 {a: Cost{1, 2, 3}, b: Cost{1, 2, 3}},
		"a kill is worse than many moves":       {a: Cost{Kills: 1}, b: Cost{Moves: 9, Memory: 99}, want: 1},
		"a move is worse than much memory":      {a: Cost{Moves: 1, Memory: 99}, b: Cost{Moves: 2, Memory: 1}, want: -1},
		"less memory":                           {a: Cost{1, 1, 5}, b: Cost{1, 1, 6}, want: -1},
		"fewer kills, more of all else":         {a: Cost{1, 9, 9}, b: Cost{2, 1, 1}, want: -1},
		"as many kills, fewer moves are better": {a: Cost{2, 2, 1}, b: Cost{2, 1, 9}, want: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.a.Compare(tc.b); got != tc.want {
				t.Errorf("%+v.Compare(%+v) = %d, want %d", tc.a, tc.b, got, tc.want)
			}
			if got := tc.b.Compare(tc.a); got != -tc.want {
				t.Errorf("%+v.Compare(%+v) = %d, want %d", tc.b, tc.a, got, -tc.want)
			}
		})
	}
}

func TestCostOf(t *testing.T) {
	all := []Victim{{Moves: true, Memory: 8}, {Memory: 4}, {Moves: true, Memory: 2}, {Moves: true, Memory: -1}, {}}
	tests := map[string]struct {
		chosen []int
		want   Cost
	}{
		"none":                         {},
		"moves":                        {chosen: []int{0, 2}, want: Cost{Moves: 2, Memory: 10}},
		"kills copy nothing":           {chosen: []int{1, 4}, want: Cost{Kills: 2}},
		"both":                         {chosen: []int{0, 1}, want: Cost{Kills: 1, Moves: 1, Memory: 8}},
		"memory below nothing is none": {chosen: []int{2, 3}, want: Cost{Moves: 2, Memory: 2}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, CostOf(all, tc.chosen)); diff != "" {
				t.Errorf("CostOf() (-want +got):\n%s", diff)
			}
		})
	}
}
