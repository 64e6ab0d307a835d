// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// writeHeader writes what benchstat shows above its tables.
func writeHeader(w io.Writer) {
	_, _ = fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: github.com/virt-scheduler/virt-scheduler/test/perf/cycle\n", runtime.GOOS, runtime.GOARCH)
}

// writeResult writes a round in the format of Go's benchmarks. Everything is per pod; CPU times contain all that the process
// did for it, the parts of a cycle are wall times of the median pod.
func writeResult(w io.Writer, s scenario, profile string, r result) {
	n := float64(r.pods)
	line := fmt.Sprintf("BenchmarkCycle/%s/profile=%s-%d %d", s.name(), profile, runtime.GOMAXPROCS(0), r.pods)
	metric := func(value float64, unit string) { line += fmt.Sprintf(" %.6g %s", value, unit) }
	metric(float64(r.cpu+r.gc)/n, "cpu-ns/op")
	metric(float64(r.gc)/n, "gc-ns/op")
	metric(float64(r.wall)/n, "ns/op")
	metric(n/r.wall.Seconds(), "pods/s")
	metric(float64(r.bytes)/n, "B/op")
	metric(float64(r.mallocs)/n, "allocs/op")
	metric(float64(r.evaluated)/n, "evaluated-nodes/op")
	metric(float64(r.feasible)/n, "feasible-nodes/op")
	for p, wall := range r.points {
		metric(float64(wall), pointNames[p]+"-ns/op")
	}
	_, _ = fmt.Fprintln(w, line)
}

// rounds are the results of one profile, one per round.
type rounds struct {
	profile string
	results []result
}

// writeSummary compares profiles with the first one, round by round: in a pair of rounds that ran one after the other the machine was
// about as fast, so that their ratio says more than the ratio of two medians.
func writeSummary(w io.Writer, s scenario, all []rounds) error {
	_, _ = fmt.Fprintf(w, "\n%s, %d rounds of %d pods; CPU per pod with garbage collection; ratio: median of the rounds' [least to most]\n",
		s.name(), len(all[0].results), all[0].results[0].pods)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "profile\tCPU/pod\tof it GC\tkB/pod\tallocs/pod\tnodes evaluated\tpods/s\tCPU, ratio to %s\n", all[0].profile)
	for _, one := range all {
		var ratios []float64
		for i, r := range one.results {
			ratios = append(ratios, float64(r.total())/float64(all[0].results[i].total()))
		}
		slices.Sort(ratios)
		of := func(value func(result) float64) float64 {
			var values []float64
			for _, r := range one.results {
				values = append(values, value(r)/float64(r.pods))
			}
			return median(values)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.3f [%.3f to %.3f]\n", one.profile,
			time.Duration(of(func(r result) float64 { return float64(r.cpu + r.gc) })).Round(time.Microsecond),
			time.Duration(of(func(r result) float64 { return float64(r.gc) })).Round(time.Microsecond),
			of(func(r result) float64 { return float64(r.bytes) / 1000 }),
			of(func(r result) float64 { return float64(r.mallocs) }),
			of(func(r result) float64 { return float64(r.evaluated) }),
			1/of(func(r result) float64 { return r.wall.Seconds() }),
			median(ratios), ratios[0], ratios[len(ratios)-1])
	}
	return table.Flush()
}

// writePoints shows the wall time of each part of a cycle.
func writePoints(w io.Writer, all []rounds) error {
	_, _ = fmt.Fprintf(w, "\nwall time of the parts of a cycle, us, of the median pod; median of the rounds\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, name := range pointNames {
		_, _ = fmt.Fprintf(table, "%s\t", name)
	}
	_, _ = fmt.Fprintln(table, "profile\t")
	for _, one := range all {
		for p := range points {
			var values []float64
			for _, r := range one.results {
				values = append(values, float64(r.points[p])/1000)
			}
			_, _ = fmt.Fprintf(table, "%.1f\t", median(values))
		}
		_, _ = fmt.Fprintln(table, one.profile+"\t")
	}
	return table.Flush()
}

// writePreFilter shows how PreFilter's time is spread over all pods of all rounds, and of the quietest round, beside that of the first
// profile, and once more in the format of Go's benchmarks. Time for which the thread had no processor is not in it, but for what is called
// wall. What else others do to the machine, to its caches and its memory, makes all rounds slower, and none quicker: the
// round with the least 99th percentile tells most of what is measured.
func writePreFilter(w io.Writer, all []rounds) error {
	_, _ = fmt.Fprintf(w, "\nPreFilter, us, without the time for which it had no processor (wall: with it), of all pods of %d rounds, and p99 of the quietest round; ratio: median to that of %s\n",
		len(all[0].results), all[0].profile)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "median\tp99\tgreatest\twall median\twall p99\twall greatest\tquietest p99\tratio\tprofile\t")
	var first float64
	var lines strings.Builder
	for i, one := range all {
		var working, wall []float64
		quietest := math.Inf(1)
		for _, r := range one.results {
			working, wall = append(working, r.working...), append(wall, r.preFilter...)
			quietest = min(quietest, p99(slices.Sorted(slices.Values(r.working))))
		}
		slices.Sort(working)
		slices.Sort(wall)
		if i == 0 {
			first = median(working)
		}
		us := func(ns float64) string { return fmt.Sprintf("%.1f", ns/1000) }
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.4f\t%s\t\n", us(median(working)), us(p99(working)), us(working[len(working)-1]),
			us(median(wall)), us(p99(wall)), us(wall[len(wall)-1]), us(quietest), median(working)/first, one.profile)
		_, _ = fmt.Fprintf(&lines, "BenchmarkPreFilter/%s/profile=%s-%d %d %.6g median-ns %.6g p99-ns %.6g wall-median-ns %.6g wall-p99-ns %.6g quietest-p99-ns\n",
			one.results[0].scenario.name(), one.profile, runtime.GOMAXPROCS(0), len(working), median(working), p99(working), median(wall), p99(wall), quietest)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, lines.String())
	return err
}

// p99 of sorted values: all but one percent of them are at most that.
func p99(sorted []float64) float64 { return sorted[(len(sorted)*99+99)/100-1] }

// writeHeap writes a heap in the format of Go's benchmarks.
func writeHeap(w io.Writer, s scenario, profile string, h heap) {
	_, _ = fmt.Fprintf(w, "BenchmarkHeap/%s/profile=%s-%d 1 %d live-B\n", s.name(), profile, runtime.GOMAXPROCS(0), h.total())
}

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
