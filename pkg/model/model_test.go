// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func TestPlus(t *testing.T) {
	const hugepage = 2 << 20
	tests := map[string]struct {
		before   Guests
		size     Size
		pageSize int64
		want     Guests
	}{
		"shared":                  {size: Size{VCPUs: 4, Memory: 8}, want: Guests{SharedVCPUs: 4, Memory: 8}},
		"dedicated":               {size: Size{VCPUs: 4, DedicatedCPUs: true, Memory: 8}, want: Guests{DedicatedVCPUs: 4, Memory: 8}},
		"memory of another pool":  {size: Size{VCPUs: 4, Memory: 8, PageSize: hugepage}, want: Guests{SharedVCPUs: 4}},
		"memory of this pool":     {size: Size{VCPUs: 4, Memory: 8, PageSize: hugepage}, pageSize: hugepage, want: Guests{SharedVCPUs: 4, Memory: 8}},
		"adds":                    {before: Guests{SharedVCPUs: 1, DedicatedVCPUs: 2, Memory: 3}, size: Size{VCPUs: 4, Memory: 8}, want: Guests{SharedVCPUs: 5, DedicatedVCPUs: 2, Memory: 11}},
		"saturates":               {before: Guests{SharedVCPUs: math.MaxInt64 - 1}, size: Size{VCPUs: 4}, want: Guests{SharedVCPUs: math.MaxInt64}},
		"negative counts as none": {before: Guests{SharedVCPUs: 1}, size: Size{VCPUs: -4}, want: Guests{SharedVCPUs: 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.before.Plus(tc.size, tc.pageSize)); diff != "" {
				t.Errorf("Plus() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExceeds(t *testing.T) {
	base := Size{VCPUs: 4, Memory: 8}
	tests := map[string]struct {
		size, other Size
		want        bool
	}{
		"equal":                    {size: base, other: base},
		"fewer vCPUs":              {size: base, other: Size{VCPUs: 2, Memory: 8}, want: true},
		"more vCPUs":               {size: base, other: Size{VCPUs: 8, Memory: 8}},
		"less memory, more vCPUs":  {size: base, other: Size{VCPUs: 8, Memory: 4}, want: true},
		"shared now":               {size: Size{VCPUs: 4, DedicatedCPUs: true}, other: Size{VCPUs: 4}, want: true},
		"dedicated now":            {size: Size{VCPUs: 4}, other: Size{VCPUs: 4, DedicatedCPUs: true}},
		"out of another page pool": {size: Size{Memory: 8, PageSize: 2}, other: Size{Memory: 8}, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.size.Exceeds(tc.other); got != tc.want {
				t.Errorf("Exceeds() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestHome(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		launchers []Launcher
		want      types.UID
	}{
		"one": {launchers: []Launcher{{Pod: "a"}}, want: "a"},
		"first migration": {
			launchers: []Launcher{{Pod: "target", MigrationTarget: true, Created: now.Add(time.Hour)}, {Pod: "source", Created: now}},
			want:      "target",
		},
		"clock of the API server set back": {
			launchers: []Launcher{{Pod: "source", Created: now}, {Pod: "target", MigrationTarget: true, Created: now.Add(-time.Hour)}},
			want:      "target",
		},
		"second migration: the source was a target once": {
			launchers: []Launcher{
				{Pod: "target", MigrationTarget: true, Created: now.Add(time.Hour)}, {Pod: "source", MigrationTarget: true, Created: now},
			},
			want: "target",
		},
		"aborted: the target is being deleted": {
			launchers: []Launcher{{Pod: "target", MigrationTarget: true, Created: now.Add(time.Hour), Ending: true}, {Pod: "source", Created: now}},
			want:      "source",
		},
		"both end": {
			launchers: []Launcher{{Pod: "source", Ending: true}, {Pod: "target", MigrationTarget: true, Ending: true}},
			want:      "target",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Home(tc.launchers); got != tc.want {
				t.Errorf("Home() = %q, want %q", got, tc.want)
			}
		})
	}
}

// A VM counts at one pod, whatever order its pods are seen in.
func TestHomeDoesNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		launchers := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Launcher {
			return Launcher{
				Pod:             types.UID(rapid.StringMatching(`[a-f]{1,2}`).Draw(t, "pod")),
				MigrationTarget: rapid.Bool().Draw(t, "target"),
				Created:         time.Unix(rapid.Int64Range(0, 2).Draw(t, "created"), 0),
				Ending:          rapid.Bool().Draw(t, "ending"),
			}
		}), 1, 5, func(l Launcher) types.UID { return l.Pod }).Draw(t, "launchers")
		want := Home(launchers)
		if got := Home(rapid.Permutation(launchers).Draw(t, "permuted")); got != want {
			t.Fatalf("Home() = %q, in another order %q", want, got)
		}
	})
}
