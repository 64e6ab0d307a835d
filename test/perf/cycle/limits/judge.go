// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// The limits, of the 99th percentile of PreFilter and of the live heap.
const (
	mostNanoseconds = 200_000
	fewestTimesLess = 100.0
	mostGrowth      = 1.3
	mostHeap        = 1.15
)

// The numbers of VMs, from and to which PreFilter may grow by mostGrowth, and with which it is compared with upstream's.
const (
	few, many, middle = 2_000, 50_000, 20_000
)

// The profiles of test/perf/cycle/affinity.yaml, and those of which the heaps are compared.
const (
	upstream  = "inter-pod-affinity"
	ours      = "vm-affinity"
	stockHeap = "stock"
	oursHeap  = "virt-scheduler"
)

const (
	p99  = "PreFilter quietest-p99-ns"
	live = "Heap live-B"
)

// verdict says what was seen of a limit, where it was seen at worst.
type verdict struct {
	limit, seen, where string
	holds              bool
}

func (v verdict) word() string {
	if v.holds {
		return "holds"
	}
	return "DOES NOT HOLD"
}

// worst finds the worst value over all scenarios in which there is one. How bad a value is is told by a number that grows.
func (r results) worst(limit, what string, of func(s scenario, by map[string]float64) (value, badness float64, ok bool), holds func(value float64) bool, format string) verdict {
	v := verdict{limit: limit, seen: "not measured"}
	most := 0.0
	for s, by := range r[what] {
		value, badness, ok := of(s, by)
		if !ok || v.where != "" && (badness < most || badness == most && s.String() > v.where) {
			continue
		}
		most = badness
		v.seen, v.where, v.holds = fmt.Sprintf(format, value), s.String(), holds(value)
	}
	return v
}

func judge(r results) []verdict {
	return []verdict{
		r.worst("PreFilter's p99 at most 0.2 ms, at any number of VMs", p99,
			func(_ scenario, by map[string]float64) (float64, float64, bool) {
				value, ok := by[ours]
				return value / 1e6, value, ok
			},
			func(ms float64) bool { return ms <= mostNanoseconds/1e6 }, "%.3f ms"),
		r.worst("at least 100 x less than upstream's at 20,000 VMs", p99,
			func(s scenario, by map[string]float64) (float64, float64, bool) {
				mine, ok := by[ours]
				theirs, both := by[upstream]
				return theirs / mine, mine / theirs, ok && both && s.vms == middle
			},
			func(times float64) bool { return times >= fewestTimesLess }, "%.0f x"),
		r.worst("at 50,000 VMs at most 1.3 x that at 2,000", p99,
			func(s scenario, by map[string]float64) (float64, float64, bool) {
				at, ok := by[ours]
				s2 := s
				s2.vms = few
				before, both := r[p99][s2][ours]
				return at / before, at / before, ok && both && s.vms == many
			},
			func(growth float64) bool { return growth <= mostGrowth }, "%.2f x"),
		r.worst("live heap at most 1.15 x stock's", live,
			func(_ scenario, by map[string]float64) (float64, float64, bool) {
				mine, ok := by[oursHeap]
				theirs, both := by[stockHeap]
				return mine / theirs, mine / theirs, ok && both
			},
			func(times float64) bool { return times <= mostHeap }, "%.3f x"),
	}
}
