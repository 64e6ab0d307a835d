// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"math/rand"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// The whole harness on its smallest cluster, with the configuration that is shipped: whatever a profile enables must run in it.
func TestSmallest(t *testing.T) {
	var out, log bytes.Buffer
	err := run(t.Context(), []string{
		"-scenarios", "^nodes=20/vms=100/pods=(plain|vm)$", "-rounds", "2", "-pods", "10", "-warmup", "2", "-config", "../../../manifests/profiles/kubescheduler-config.yaml",
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

// Affinity alone, as make bench-affinity runs it, with migrations under way and hosts that are off, and the heap, on small clusters.
func TestAffinity(t *testing.T) {
	const scenarios = "^nodes=(20/vms=100/pods=apart3|500/vms=2000/pods=joining50/moving=20/off=5)$"
	for name, tc := range map[string]struct {
		arguments []string
		want      map[string]int
	}{
		"times": {
			[]string{"-rounds", "2"},
			map[string]int{
				"\nPreFilter, us": 2, "wall greatest": 2, " quietest-p99-ns": 4, "BenchmarkPreFilter/nodes=20/vms=100/pods=apart3/profile=inter-pod-affinity-": 1,
				"BenchmarkPreFilter/nodes=500/vms=2000/pods=joining50/moving=20/off=5/profile=vm-affinity-": 1,
			},
		},
		"heap": {[]string{"-heap"}, map[string]int{"live heap": 2, "BenchmarkHeap/nodes=20/vms=100/pods=apart3/profile=vm-affinity-": 1, " live-B": 4}},
	} {
		t.Run(name, func(t *testing.T) {
			var out, log bytes.Buffer
			arguments := append([]string{
				"-scenarios", scenarios, "-pods", "8", "-warmup", "2", "-config", "affinity.yaml", "-profiles", "inter-pod-affinity,vm-affinity",
			}, tc.arguments...)
			if err := run(t.Context(), arguments, &out, &log); err != nil {
				t.Fatalf("%v\n%s%s", err, &out, &log)
			}
			for want, times := range tc.want {
				if got := strings.Count(log.String(), want); got != times {
					t.Errorf("the summary has %q %d times, want %d:\n%s", want, got, times, &log)
				}
			}
		})
	}
}

// A scenario with migrations under way and hosts that are off has them: VMs that have two launchers, one of them a target, and proofs.
func TestDisturbance(t *testing.T) {
	s := scenario{nodes: 20, vms: 100, pods: "joining50", moving: 5, off: 2}
	api := simapi.New()
	populate(api, s.nodes, s.vms, residents(s.pods))
	s.disturb(api)
	launchers := map[string][]*corev1.Pod{}
	for _, pod := range api.Pods() {
		vm := pod.Labels[kubevirtv1.CreatedByLabel]
		launchers[vm] = append(launchers[vm], pod)
	}
	moving := 0
	for vm, pods := range launchers {
		if len(pods) == 1 {
			continue
		}
		moving++
		if len(pods) != 2 || pods[0].Spec.NodeName == pods[1].Spec.NodeName || pods[0].Labels[groupLabel] != pods[1].Labels[groupLabel] {
			t.Errorf("the launchers of %s: %v", vm, pods)
		}
	}
	if got := len(api.Customs(failures)); moving != s.moving || got != s.off {
		t.Errorf("%d VMs move, and %d hosts are off; want %d and %d", moving, got, s.moving, s.off)
	}
}

// Those who join are in groups that are there, half of them targets of VMs that are there, in clusters of any size.
func TestJoining(t *testing.T) {
	random := rand.New(rand.NewSource(seed))
	groups, vms := map[string]bool{}, map[string]bool{}
	for i := range 2_000 {
		there := workloads["joining50"](residentSeries, i, random)
		groups[there.pod.Labels[groupLabel]] = true
		vms[there.pod.Labels[kubevirtv1.CreatedByLabel]] = true
	}
	targets := 0
	for i := range 200 {
		a := workloads["joining50"]("new", i, random)
		if group := a.pod.Labels[groupLabel]; !groups[group] {
			t.Errorf("number %d joins %q, which is not there", i, group)
		}
		if vms[a.pod.Labels[kubevirtv1.CreatedByLabel]] {
			targets++
			if a.vmi != nil || a.pod.Labels[kubevirtv1.MigrationJobLabel] == "" {
				t.Errorf("number %d is no target: %v", i, a.pod.Labels)
			}
		}
	}
	if targets != 100 || len(groups) != 40 {
		t.Errorf("%d targets and %d groups, want 100 and 40", targets, len(groups))
	}
}

// Time for which there was no processor is taken off where it was within what is timed, and only there.
func TestWithout(t *testing.T) {
	for name, tc := range map[string]struct{ wall, waited, want float64 }{
		"none": {100, 0, 100}, "some": {5_000_100, 5_000_000, 100}, "between the readings, not in what is timed": {100, 5_000_000, 100},
	} {
		t.Run(name, func(t *testing.T) {
			if got := without(tc.wall, tc.waited); got != tc.want {
				t.Errorf("without(%v, %v) = %v, want %v", tc.wall, tc.waited, got, tc.want)
			}
		})
	}
}

// What the system says of a thread's waiting can be read, and does not shrink.
func TestWaiting(t *testing.T) {
	w, stop, err := watchWaiting()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	before := w.soFar()
	runtime.Gosched()
	if after := w.soFar(); after < before || w != nil && w.err != nil {
		t.Errorf("waited for %v, and then for %v: %v", before, after, w.err)
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
		"large ones by whole name": {[]string{"-scenarios", "^nodes=5000/vms=50000/"}, "no scenario matches"},
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
