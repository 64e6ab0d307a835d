// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand"
	"runtime/pprof"
	"time"

	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// bench is one cluster with one scheduler that has all profiles.
type bench struct {
	scenario
	api       *simapi.API
	scheduler *simapi.Scheduler
	probe     *probe
	lastBeat  time.Time
}

// beatEvery is how often virt-handlers beat: as often as real ones, for who hears of none for long takes the hosts for dead.
const beatEvery = 60 * time.Second

// result is what one round of one profile gave: sums over its pods.
type result struct {
	scenario  scenario
	pods      int
	wall      time.Duration // from the first cycle's begin to the last one's end
	cpu       time.Duration // without garbage collection
	gc        time.Duration // what collecting the garbage that was made costs in the long run
	mallocs   uint64
	bytes     uint64
	evaluated int
	feasible  int
	// points has the wall time that a part of the cycle took for the median pod: a mean would be made by the few cycles in
	// which the operating system gave the processor to another process. Their sum is not the wall time of the cycle.
	points [points]time.Duration
	// preFilter has the wall time of PreFilter of every pod, in nanoseconds, and working what is left without waiting for a processor,
	// where that is measured.
	preFilter, working []float64
}

// total is the figure that profiles are compared by: CPU time of the process for a pod.
func (r result) total() time.Duration { return (r.cpu + r.gc) / time.Duration(r.pods) }

func newBench(ctx context.Context, s scenario, config simapi.Config) (*bench, error) {
	b := &bench{scenario: s, api: simapi.New(), probe: &probe{}, lastBeat: time.Now()}
	populate(b.api, s.nodes, s.vms, residents(s.pods))
	s.disturb(b.api)
	config.Wrap = b.probe.wrap
	var err error
	if b.scheduler, err = b.api.Start(ctx, config); err != nil {
		return nil, err
	}
	b.probe.attach(b.scheduler)
	return b, nil
}

func (b *bench) beaten() { b.lastBeat = time.Now() }

// round lets pods arrive under a profile, has them scheduled one after the other, and removes them again, so that
// every round of every profile finds the same cluster. The first warmup pods are not counted: caches, and what is
// kept current from cycle to cycle, have to hear of what other profiles did.
func (b *bench) round(ctx context.Context, profile string, number, warmup, pods int) (result, error) {
	if time.Since(b.lastBeat) >= beatEvery {
		b.beaten()
		beat(b.api, b.nodes)
	}
	random := rand.New(rand.NewSource(int64(number))) // the same pods for each profile
	arrivals := make([]arrival, 0, warmup+pods)
	for i := range warmup + pods {
		a := workloads[b.pods](fmt.Sprintf("new-%s-%d", profile, number), i, random)
		a.pod.Spec.SchedulerName = profile
		a.create(b.api)
		arrivals = append(arrivals, a)
	}
	if err := b.scheduler.Settle(ctx); err != nil {
		return result{}, err
	}
	if got := len(b.scheduler.SchedulingQueue.PodsInActiveQ()); got != len(arrivals) {
		return result{}, fmt.Errorf("%d pods wait in the scheduler's queue, want %d: is there a profile %q?", got, len(arrivals), profile)
	}
	var err error
	var r result
	pprof.Do(ctx, pprof.Labels("profile", profile), func(ctx context.Context) { r, err = b.measure(ctx, warmup, pods) })
	if err != nil {
		return result{}, err
	}
	for _, a := range arrivals {
		a.remove(b.api)
	}
	if err := b.scheduler.Settle(ctx); err != nil {
		return result{}, err
	}
	garbage, err := collect()
	r.gc = time.Duration(float64(r.bytes) * garbage.perByte())
	return r, err
}

// measure runs the cycles of the pods that wait. Cycles follow each other as in production, while the pods before are still
// being bound; it ends when all is done that they gave rise to, and that is in the CPU time too.
func (b *bench) measure(ctx context.Context, warmup, pods int) (result, error) {
	for range warmup {
		b.probe.begin()
		b.scheduler.ScheduleOne(ctx)
	}
	if err := b.scheduler.Settle(ctx); err != nil {
		return result{}, err
	}
	b.scheduler.Outcomes()
	if _, err := collect(); err != nil { // all profiles begin with a clean heap
		return result{}, err
	}
	var laps [points][]float64
	for p := range laps {
		laps[p] = make([]float64, 0, pods)
	}
	working := make([]float64, 0, pods)
	stop, err := b.watch()
	if err != nil {
		return result{}, err
	}
	defer stop()
	before, err := used()
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	for range pods {
		b.probe.begin()
		b.scheduler.ScheduleOne(ctx)
		b.probe.lap(rest)
		for p, wall := range b.probe.wall {
			laps[p] = append(laps[p], float64(wall))
		}
		working = append(working, without(float64(b.probe.wall[preFilter]), float64(b.probe.waited)))
	}
	r := result{scenario: b.scenario, pods: pods, wall: time.Since(start)}
	if err := b.scheduler.Settle(ctx); err != nil {
		return result{}, err
	}
	if b.probe.waiting != nil && b.probe.waiting.err != nil {
		return result{}, b.probe.waiting.err
	}
	after, err := used()
	if err != nil {
		return result{}, err
	}
	for p := range laps {
		r.points[p] = time.Duration(median(laps[p]))
	}
	r.preFilter, r.working = laps[preFilter], working
	r.cpu = max(after.cpu-before.cpu-(after.gc-before.gc), 0)
	r.mallocs, r.bytes = after.mallocs-before.mallocs, after.bytes-before.bytes
	return r, r.count(b.scheduler.Outcomes())
}

// watch makes the probe know how long the cycles waited for a processor, where that is asked for.
func (b *bench) watch() (stop func(), err error) {
	if !b.affine() {
		return func() {}, nil
	}
	var end func()
	if b.probe.waiting, end, err = watchWaiting(); err != nil {
		return nil, err
	}
	return func() {
		end()
		b.probe.waiting = nil
	}, nil
}

// count adds what came of the cycles, each of which must have bound its pod.
func (r *result) count(outcomes []simapi.Outcome) error {
	if len(outcomes) != r.pods {
		return fmt.Errorf("%d outcomes of %d cycles", len(outcomes), r.pods)
	}
	for _, o := range outcomes {
		if !o.Bound() {
			return fmt.Errorf("pod %s was not bound: %s", o.Pod.Name, o.Status.Message())
		}
		r.evaluated += o.Evaluated
		r.feasible += o.Feasible
	}
	return nil
}
