// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/virt-scheduler/virt-scheduler/test/perf/cputime"
)

// usage is what the process has used so far.
type usage struct {
	cpu     time.Duration // all threads, user and system
	gc      time.Duration // of it the garbage collector, as Go's runtime estimates it; known for ended collections only
	mallocs uint64
	bytes   uint64
	live    uint64 // bytes on the heap now, garbage included
}

func used() (usage, error) {
	cpu, err := cputime.Process()
	if err != nil {
		return usage{}, err
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	gc := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(gc)
	return usage{
		cpu:     cpu,
		gc:      time.Duration(gc[0].Value.Float64() * float64(time.Second)),
		mallocs: memory.Mallocs,
		bytes:   memory.TotalAlloc,
		live:    memory.HeapAlloc,
	}, nil
}

// collection is what it costs to collect the garbage once: CPU time, and how much may be allocated until it has to be
// done again, which with Go's default is as much as is live.
type collection struct {
	cpu  time.Duration
	live uint64
}

func collect() (collection, error) {
	before, err := used()
	if err != nil {
		return collection{}, err
	}
	runtime.GC() // sweeps too
	after, err := used()
	return collection{cpu: after.cpu - before.cpu, live: after.live}, err
}

// perByte returns the CPU nanoseconds that collecting costs per byte that is allocated, in the long run.
func (c collection) perByte() float64 { return float64(c.cpu) / float64(max(c.live, 4<<20)) }
