// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"runtime/pprof"
	"slices"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/cputime"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi/simkubevirt"
)

// throng is a crowded cluster of its own for one profile, to which pods of higher priority come.
type throng struct {
	profile   string
	plain     bool
	api       *simapi.API
	scheduler *simapi.Scheduler
	kubevirt  *simkubevirt.KubeVirt
	meter     *meter
	residents int
	results   preemptions
}

// preemptions is what came of all who came.
type preemptions struct {
	comers, nominated, placed, moves, kills int
	postFilter                              []time.Duration // CPU of the process, of each
	wall                                    time.Duration   // of all cycles of those who came
}

// meter measures PostFilter.
type meter struct {
	framework.Framework
	cpu []time.Duration
	err error
}

func (m *meter) RunPostFilterPlugins(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, statuses fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	before, err := cputime.Process()
	result, status := m.Framework.RunPostFilterPlugins(ctx, state, pod, statuses)
	after, err2 := cputime.Process()
	if m.err == nil {
		m.err = err
	}
	if m.err == nil {
		m.err = err2
	}
	m.cpu = append(m.cpu, after-before)
	return result, status
}

func (o options) newThrong(ctx context.Context, nodes int, profile schedulerconfig.KubeSchedulerProfile, plain bool) (*throng, error) {
	t := &throng{profile: profile.SchedulerName, plain: plain, api: simapi.New(), meter: &meter{}}
	t.kubevirt = simkubevirt.New(t.api)
	crowd(t.api, t.profile, nodes, plain)
	t.residents = len(t.api.Pods())
	var err error
	t.scheduler, err = t.api.Start(ctx, simapi.Config{
		Profiles: []schedulerconfig.KubeSchedulerProfile{profile}, Registry: plugins.NewRegistry(), Parallelism: int32(o.parallelism),
		// Nobody waits: what is measured is work.
		Options: []scheduler.Option{scheduler.WithPodInitialBackoffSeconds(0), scheduler.WithPodMaxBackoffSeconds(0)},
		Wrap: func(f framework.Framework) framework.Framework {
			t.meter.Framework = f
			return t.meter
		},
	})
	return t, err
}

// comes lets one pod come, and all happen that it gives rise to.
func (t *throng) comes(ctx context.Context, index int, counts bool) error {
	a := comer(t.profile, index, t.plain)
	if a.vmi != nil {
		t.api.SetVMI(a.vmi)
	}
	before := len(t.api.Pods())
	t.meter.cpu = nil
	start := time.Now()
	outcome, err := t.scheduler.Schedule(ctx, a.pod)
	if err != nil {
		return err
	}
	wall := time.Since(start)
	if err := t.scheduler.Settle(ctx); err != nil {
		return err
	}
	killed := before + 1 - len(t.api.Pods())
	targets, err := t.kubevirt.Begin()
	if err != nil {
		return err
	}
	if err := t.all(ctx); err != nil { // targets are placed, and who came is tried again
		return err
	}
	arrived, err := t.kubevirt.End()
	if err != nil {
		return err
	}
	if err := t.all(ctx); err != nil {
		return err
	}
	if arrived != len(targets) {
		return fmt.Errorf("%s: %d targets, %d of them placed", a.pod.Name, len(targets), arrived)
	}
	if !counts {
		return t.meter.err
	}
	r := &t.results
	r.comers++
	r.wall += wall
	r.moves += arrived
	r.kills += killed
	if len(t.meter.cpu) > 0 {
		r.postFilter = append(r.postFilter, t.meter.cpu[0])
	}
	if outcome.Nominated != "" {
		r.nominated++
	}
	if pod, ok := t.api.Pod(a.pod.Namespace, a.pod.Name); ok && pod.Spec.NodeName != "" {
		r.placed++
	}
	return t.meter.err
}

// all lets the scheduler decide until nothing is left to decide.
func (t *throng) all(ctx context.Context) error {
	for {
		if _, ok, err := t.scheduler.Next(ctx); err != nil || !ok {
			return err
		}
	}
}

// runPreemption lets the same pods come to crowded clusters of each profile, in turns.
func (o options) runPreemption(ctx context.Context, profiles []schedulerconfig.KubeSchedulerProfile, log io.Writer) error {
	for _, plain := range []bool{false, true} {
		var all []*throng
		for _, profile := range profiles {
			t, err := o.newThrong(ctx, o.preemptionNodes, profile, plain)
			if err != nil {
				return err
			}
			all = append(all, t)
		}
		if o.cpuProfile != "" && !plain {
			stop, err := startCPUProfile(o.cpuProfile)
			if err != nil {
				return err
			}
			defer stop()
		}
		const turn = 10
		for first := 0; first < o.preemptors; first += turn {
			for _, t := range all {
				var err error
				pprof.Do(ctx, pprof.Labels("profile", t.profile), func(ctx context.Context) {
					for index := first; index < min(first+turn, o.preemptors) && err == nil; index++ {
						err = t.comes(ctx, index, index > 0) // the first is for what is made at first use
					}
				})
				if err != nil {
					return fmt.Errorf("profile %s: %w", t.profile, err)
				}
			}
		}
		if err := o.writePreemption(log, all); err != nil {
			return err
		}
	}
	return nil
}

func (o options) writePreemption(w io.Writer, all []*throng) error {
	who := "VMs"
	if all[0].plain {
		who = "plain pods"
	}
	_, _ = fmt.Fprintf(w, "\n%d hosts with %d %s on them, %d come; CPU of the process in PostFilter, ms, and wall time of a cycle with PostFilter, ms\n",
		o.preemptionNodes, all[0].residents, who, all[0].results.comers)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "median\tp99\tmean\tratio of means\tcycle\tratio\tnominated\tplaced\tmoved\tkilled\tprofile\t")
	var first, firstWall float64
	for i, t := range all {
		r := &t.results
		slices.Sort(r.postFilter)
		var sum time.Duration
		for _, cpu := range r.postFilter {
			sum += cpu
		}
		ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
		n := len(r.postFilter)
		if n == 0 {
			return fmt.Errorf("profile %s: PostFilter was not called", t.profile)
		}
		mean, wall := ms(sum)/float64(n), ms(r.wall)/float64(r.comers)
		if i == 0 {
			first, firstWall = mean, wall
		}
		_, _ = fmt.Fprintf(table, "%.1f\t%.1f\t%.1f\t%.2f\t%.1f\t%.2f\t%d\t%d\t%d\t%d\t%s\t\n", ms(r.postFilter[n/2]), ms(r.postFilter[(n-1)*99/100]),
			mean, mean/first, wall, wall/firstWall, r.nominated, r.placed, r.moves, r.kills, t.profile)
	}
	return table.Flush()
}
