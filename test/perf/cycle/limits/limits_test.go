// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

// kept are results that keep all limits, with tables among them as in a result file.
var kept = []string{
	"goos: linux", "",
	"PreFilter, us, of all pods of all rounds",
	"median  p99  profile",
	line("PreFilter/nodes=500/vms=2000/pods=together/profile=vm-affinity", "20000", "quietest-p99-ns"),
	line("PreFilter/nodes=5000/vms=2000/pods=apart3/profile=inter-pod-affinity", "1900000", "quietest-p99-ns"),
	line("PreFilter/nodes=5000/vms=2000/pods=apart3/profile=vm-affinity", "30000", "quietest-p99-ns"),
	line("PreFilter/nodes=5000/vms=20000/pods=apart3/profile=inter-pod-affinity", "20000000", "quietest-p99-ns"),
	line("PreFilter/nodes=5000/vms=20000/pods=apart3/profile=vm-affinity", "31000", "quietest-p99-ns"),
	line("PreFilter/nodes=5000/vms=50000/pods=apart3/profile=vm-affinity", "35000", "quietest-p99-ns"),
	line("PreFilter/nodes=5000/vms=50000/pods=joining50/off=100/profile=vm-affinity", "90000", "quietest-p99-ns"),
	line("Heap/nodes=5000/vms=50000/pods=apart3/profile=stock", "1000", "live-B"),
	line("Heap/nodes=5000/vms=50000/pods=apart3/profile=virt-scheduler", "1149", "live-B"),
}

func line(name, value, unit string) string {
	return "Benchmark" + name + "-2 300 5 median-ns " + value + " " + unit
}

func TestLimits(t *testing.T) {
	const growth, times, most, heap = "at most 1.3 x", "at least 100 x", "at most 0.2 ms", "at most 1.15 x"
	tests := map[string]struct {
		more, less []string
		// broken is the limit that does not hold, with what was seen.
		broken, seen string
	}{
		"all are kept": {},
		"too slow at one place": {
			more:   []string{line("PreFilter/nodes=5000/vms=50000/pods=joining50/off=100/profile=vm-affinity", "200001", "quietest-p99-ns")},
			broken: most, seen: "nodes=5000/vms=50000/pods=joining50/off=100",
		},
		"upstream's is slower by less": {
			more:   []string{line("PreFilter/nodes=5000/vms=20000/pods=apart3/profile=inter-pod-affinity", "3000000", "quietest-p99-ns")},
			broken: times, seen: "97 x",
		},
		"of several the worst": {
			more: []string{
				line("PreFilter/nodes=5000/vms=20000/pods=prefer/profile=inter-pod-affinity", "1000000", "quietest-p99-ns"),
				line("PreFilter/nodes=5000/vms=20000/pods=prefer/profile=vm-affinity", "20000", "quietest-p99-ns"),
			},
			broken: times, seen: "50 x",
		},
		"it grows": {
			more:   []string{line("PreFilter/nodes=5000/vms=50000/pods=apart3/profile=vm-affinity", "40000", "quietest-p99-ns")},
			broken: growth, seen: "1.33 x",
		},
		"the heap": {
			more:   []string{line("Heap/nodes=5000/vms=50000/pods=apart3/profile=virt-scheduler", "1151", "live-B")},
			broken: heap, seen: "1.151 x",
		},
		"no heap":               {less: []string{"Heap"}, broken: heap, seen: "not measured"},
		"nothing at 20,000":     {less: []string{"vms=20000"}, broken: times, seen: "not measured"},
		"nothing at 2,000":      {less: []string{"vms=2000/pods=apart3"}, broken: growth, seen: "not measured"},
		"not the same at 2,000": {less: []string{"nodes=5000/vms=50000/pods=apart3/profile=vm"}, broken: growth, seen: "not measured"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for _, l := range kept {
				without := false
				for _, part := range tc.less {
					without = without || strings.Contains(l, part)
				}
				if !without {
					lines = append(lines, l)
				}
			}
			var out strings.Builder
			holds, err := run(strings.NewReader(strings.Join(append(lines, tc.more...), "\n")), &out)
			if err != nil {
				t.Fatal(err)
			}
			if holds != (tc.broken == "") {
				t.Errorf("all hold: %v\n%s", holds, &out)
			}
			for _, limit := range []string{growth, times, most, heap} {
				said := ""
				for l := range strings.Lines(out.String()) {
					if strings.Contains(l, limit) {
						said = l
					}
				}
				if broken := strings.Contains(said, "DOES NOT HOLD"); broken != (limit == tc.broken) || broken && !strings.Contains(said, tc.seen) {
					t.Errorf("of %q: %q, want broken: %v, with %q", limit, said, limit == tc.broken, tc.seen)
				}
			}
		})
	}
}

func TestNoResults(t *testing.T) {
	for name, text := range map[string]string{
		"no pairs":   "BenchmarkPreFilter/nodes=1/vms=2/pods=x/profile=p-2 300 5",
		"no number":  "BenchmarkPreFilter/nodes=1/vms=2/pods=x/profile=p-2 300 five quietest-p99-ns",
		"no nodes":   "BenchmarkPreFilter/vms=2/pods=x/profile=p-2 300 5 quietest-p99-ns",
		"no profile": "BenchmarkHeap/nodes=1/vms=2/pods=x 1 5 live-B",
		"many nodes": "BenchmarkHeap/nodes=many/vms=2/pods=x/profile=p-2 1 5 live-B",
	} {
		t.Run(name, func(t *testing.T) {
			if holds, err := run(strings.NewReader(text), &strings.Builder{}); err == nil || holds {
				t.Errorf("run(%q) = %v, %v, want an error", text, holds, err)
			}
		})
	}
}
