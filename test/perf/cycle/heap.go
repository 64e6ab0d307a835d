// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// heap is what lives on the heap of a process that is a scheduler and nothing else, in bytes: pods and nodes as its informers
// hold them, which are the simulated API's own objects here and therefore counted once, and all that the scheduler makes of
// them. VirtualMachineInstances as the API holds them are not in it; what a scheduler keeps of them is.
type heap struct{ objects, scheduler int64 }

func (h heap) total() int64 { return h.objects + h.scheduler }

// live returns what is on the heap once all garbage is collected.
func live() (int64, error) {
	for range 2 { // what had a finalizer goes with the second
		if _, err := collect(); err != nil {
			return 0, err
		}
	}
	u, err := used()
	return int64(u.live), err
}

// measureHeap starts a scheduler with one profile alone, and lets it place some pods, so that it has made what it keeps from cycle to
// cycle.
func (o options) measureHeap(ctx context.Context, s scenario, profile schedulerconfig.KubeSchedulerProfile) (h heap, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := simapi.New()
	empty, err := live()
	if err != nil {
		return h, err
	}
	there := populatePods(api, s.nodes, s.vms, residents(s.pods))
	objects, err := live()
	if err != nil {
		return h, err
	}
	for _, a := range there {
		api.SetVMI(a.vmi)
	}
	there = nil //nolint:ineffassign,wastedassign // so that it is garbage when the heap is measured
	before, err := live()
	if err != nil {
		return h, err
	}
	b := &bench{scenario: s, api: api, probe: &probe{}}
	config := simapi.Config{
		Profiles: []schedulerconfig.KubeSchedulerProfile{profile}, Registry: plugins.NewRegistry(),
		Parallelism: int32(o.parallelism), PercentageOfNodesToScore: int32(o.percentage), Wrap: b.probe.wrap,
	}
	if b.scheduler, err = api.Start(ctx, config); err != nil {
		return h, err
	}
	b.probe.attach(b.scheduler)
	b.beaten()
	if _, err := b.round(ctx, profile.SchedulerName, 0, o.warmup, o.pods); err != nil {
		return h, err
	}
	after, err := live()
	return heap{objects: objects - empty, scheduler: after - before}, err
}

// writeHeaps shows the heaps of some profiles, and their ratio to the first.
func (o options) writeHeaps(ctx context.Context, s scenario, profiles []schedulerconfig.KubeSchedulerProfile, w io.Writer) error {
	_, _ = fmt.Fprintf(w, "\n%s: live heap of a scheduler with one profile, MB\n", s.name())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "pods and nodes\tthe rest\tall\tratio\tprofile\t")
	var first float64
	var heaps []heap
	for i, profile := range profiles {
		h, err := o.measureHeap(ctx, s, profile)
		if err != nil {
			return fmt.Errorf("profile %s: %w", profile.SchedulerName, err)
		}
		if i == 0 {
			first = float64(h.total())
		}
		_, _ = fmt.Fprintf(table, "%.1f\t%.1f\t%.1f\t%.3f\t%s\t\n", float64(h.objects)/1e6, float64(h.scheduler)/1e6, float64(h.total())/1e6,
			float64(h.total())/first, profile.SchedulerName)
		heaps = append(heaps, h)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i, h := range heaps {
		writeHeap(w, s, profiles[i].SchedulerName, h)
	}
	return nil
}
