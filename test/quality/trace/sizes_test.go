// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"
	"testing"
)

func TestFlavoursFollowTheirSource(t *testing.T) {
	const tolerance = 2.0 // percent points; the source is read off a plot
	measures := map[string]struct {
		want []bucket
		of   func(Flavour) int64
	}{
		"cores":  {azure2019Cores, func(f Flavour) int64 { return f.VCPUs }},
		"memory": {azure2019Memory, func(f Flavour) int64 { return f.Memory / gib }},
	}
	for name, tc := range measures {
		t.Run(name, func(t *testing.T) {
			from := int64(0)
			for _, b := range tc.want {
				got := 0.0
				for _, f := range Flavours() {
					if v := tc.of(f); v > from && v <= b.upTo {
						got += float64(f.PerMille) / 10
					}
				}
				if math.Abs(got-b.percent) > tolerance {
					t.Errorf("%s in (%d, %d]: %.1f %% of VMs, want %.1f ± %.1f", name, from, b.upTo, got, b.percent, tolerance)
				}
				from = b.upTo
			}
		})
	}
}

func TestFlavoursAreWhole(t *testing.T) {
	total, names, kinds := 0, map[string]bool{}, map[Kind]int{}
	for _, f := range Flavours() {
		total += f.PerMille
		kinds[f.Kind] += f.PerMille
		if names[f.Name] {
			t.Errorf("flavour %s comes twice", f.Name)
		}
		names[f.Name] = true
		if f.VCPUs < 1 || f.Memory < gib || f.Memory%hugePage != 0 {
			t.Errorf("flavour %+v: want at least 1 vCPU and 1 GiB in whole huge pages", f)
		}
	}
	if total != 1000 {
		t.Errorf("shares add up to %d, want 1000", total)
	}
	for _, kind := range []Kind{Small, Medium, Large, HugePages, Dedicated} {
		if kinds[kind] == 0 {
			t.Errorf("no VM is %s", kind)
		}
	}
}
