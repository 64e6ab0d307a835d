// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The whole harness on its smallest cluster, with the configuration that is shipped: whatever a profile enables must run in it.
func TestSmallest(t *testing.T) {
	var out, log bytes.Buffer
	err := run(t.Context(), []string{
		"-scenarios", "^nodes=20/", "-rounds", "2", "-pods", "10", "-warmup", "2", "-config", "../../../manifests/profiles/kubescheduler-config.yaml",
	}, &out, &log)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &log)
	}
	perBenchmark := map[string]int{}
	for line := range strings.Lines(out.String()) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "BenchmarkCycle/") {
			continue
		}
		name := fields[0][:strings.LastIndex(fields[0], "-")]
		perBenchmark[name]++
		values := parse(t, fields)
		for _, unit := range []string{"cpu-ns/op", "ns/op", "pods/s", "B/op", "allocs/op", "pop-ns/op", "snapshot-ns/op", "prefilter-ns/op", "filter-ns/op"} {
			if values[unit] <= 0 {
				t.Errorf("%s: %s is %v", name, unit, values[unit])
			}
		}
		wantNodes := 20.0
		if strings.HasSuffix(name, "no-scoring") {
			wantNodes = 1
		} else if values["score-ns/op"] <= 0 {
			t.Errorf("%s: nothing was scored", name)
		}
		if got := values["feasible-nodes/op"]; got != wantNodes {
			t.Errorf("%s: %v feasible nodes, want %v", name, got, wantNodes)
		}
		if got := values["postfilter-ns/op"]; got != 0 {
			t.Errorf("%s: PostFilter ran for %v ns, though all pods found a node", name, got)
		}
	}
	if len(perBenchmark) < 8 {
		t.Errorf("%d benchmarks, want those of stock and our three profiles in two scenarios: %v", len(perBenchmark), perBenchmark)
	}
	for name, n := range perBenchmark {
		if n != 2 {
			t.Errorf("%s: %d results, want one for each of 2 rounds", name, n)
		}
	}
	if !strings.Contains(log.String(), "ratio to stock") || !strings.Contains(log.String(), "virt-scheduler-no-scoring") {
		t.Errorf("the summary: %s", &log)
	}
}

// parse reads the pairs of value and unit after name and count.
func parse(t *testing.T, fields []string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for pair := range slices.Chunk(fields[2:], 2) {
		value, err := strconv.ParseFloat(pair[0], 64)
		if err != nil || len(pair) != 2 {
			t.Fatalf("not a value and a unit: %q: %v", pair, err)
		}
		values[pair[1]] = value
	}
	return values
}

func TestBadArguments(t *testing.T) {
	for name, tc := range map[string]struct {
		arguments []string
		want      string
	}{
		"no such scenario":         {[]string{"-scenarios", "nodes=7"}, "no scenario matches"},
		"large ones by whole name": {[]string{"-scenarios", "^nodes=5000/"}, "no scenario matches"},
		"no such profile":          {[]string{"-profiles", "stock,nonesuch"}, "nonesuch"},
		"no such configuration":    {[]string{"-config", "nonesuch.yaml"}, "nonesuch.yaml"},
		"arguments":                {[]string{"stock"}, "unexpected arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			arguments := append([]string{"-config", "../../../manifests/profiles/kubescheduler-config.yaml"}, tc.arguments...)
			err := run(context.Background(), arguments, &bytes.Buffer{}, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("run(%q) = %v, want an error with %q", tc.arguments, err, tc.want)
			}
		})
	}
}

// Time that the operating system, or other goroutines, take must not come into what a part took of the cycle of the median pod.
func TestMedian(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		want   float64
	}{
		"one":  {[]float64{3}, 3},
		"odd":  {[]float64{9, 1, 2}, 2},
		"even": {[]float64{4, 1, 100, 2}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := median(tc.values); got != tc.want {
				t.Errorf("median(%v) = %v, want %v", tc.values, got, tc.want)
			}
		})
	}
}
