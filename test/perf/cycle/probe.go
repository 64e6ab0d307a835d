// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// point is a part of a cycle. Together they are all of it, from the call of ScheduleOne to its return.
type point int

const (
	pop        point = iota // the pod is taken from the queue
	snapshot                // the cache's changes come into the snapshot
	preFilter               // PreFilter plugins
	hint                    // batching: the pod is signed, and the last cycle's result looked at
	filter                  // Filter plugins on all nodes that are looked at, 16 at a time
	preScore                // PreScore plugins
	score                   // Score plugins on all feasible nodes, and NormalizeScore
	choice                  // the best is chosen; the result kept for batching
	reserve                 // Reserve plugins
	postFilter              // PostFilter plugins, when no node would do
	rest                    // the pod is assumed, Permit, the binding's goroutine started; or the failure handled
	points
)

var pointNames = [points]string{"pop", "snapshot", "prefilter", "hint", "filter", "prescore", "score", "choose", "reserve", "postfilter", "rest"}

// probe takes the wall time of each part of a cycle. A cycle runs in one goroutine, apart from
// what plugins do on many nodes at once, which the probe does not look into: it costs one reading of the clock per
// part, not per node.
type probe struct {
	wall [points]time.Duration // of the cycle that runs, or ran last
	mark time.Time
	next point // to which the time since mark belongs, should nothing else be said

	waiting *waiting      // nil: not asked for
	waited  time.Duration // for a processor, from just before PreFilter to just after it
}

func (p *probe) begin() { *p = probe{mark: time.Now(), next: pop, waiting: p.waiting} }

// lap books the time since the last lap, and says what comes now.
func (p *probe) lap(next point) {
	now := time.Now()
	p.wall[p.next] += now.Sub(p.mark)
	p.mark, p.next = now, next
}

// attach makes the cycles of a scheduler tell the probe where they are.
func (p *probe) attach(s *simapi.Scheduler) {
	schedulePod := s.SchedulePod
	s.SchedulePod = func(ctx context.Context, f framework.Framework, state fwk.CycleState, pod *corev1.Pod) (scheduler.ScheduleResult, error) {
		p.lap(snapshot)
		defer p.lap(rest)
		return schedulePod(ctx, f, state, pod)
	}
}

// wrap puts the probe around the framework of a profile.
func (p *probe) wrap(f framework.Framework) framework.Framework {
	return &probed{Framework: f, probe: p}
}

type probed struct {
	framework.Framework
	probe *probe
}

func (f *probed) RunPreFilterPlugins(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) (*fwk.PreFilterResult, *fwk.Status, sets.Set[string]) {
	before := f.probe.waiting.soFar()
	defer func() { f.probe.waited = f.probe.waiting.soFar() - before }()
	f.probe.lap(preFilter)
	defer f.probe.lap(filter)
	return f.Framework.RunPreFilterPlugins(ctx, state, pod)
}

func (f *probed) GetNodeHint(ctx context.Context, pod *corev1.Pod, state fwk.CycleState, cycle int64) (string, fwk.PodSignature) {
	f.probe.lap(hint)
	defer f.probe.lap(filter)
	return f.Framework.GetNodeHint(ctx, pod, state, cycle)
}

func (f *probed) RunPreScorePlugins(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) *fwk.Status {
	f.probe.lap(preScore)
	defer f.probe.lap(score)
	return f.Framework.RunPreScorePlugins(ctx, state, pod, nodes)
}

func (f *probed) RunScorePlugins(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) ([]fwk.NodePluginScores, *fwk.Status) {
	f.probe.lap(score)
	defer f.probe.lap(choice)
	return f.Framework.RunScorePlugins(ctx, state, pod, nodes)
}

func (f *probed) RunReservePluginsReserve(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	f.probe.lap(reserve)
	defer f.probe.lap(rest)
	return f.Framework.RunReservePluginsReserve(ctx, state, pod, node)
}

func (f *probed) RunPostFilterPlugins(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, statuses fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	f.probe.lap(postFilter)
	defer f.probe.lap(rest)
	return f.Framework.RunPostFilterPlugins(ctx, state, pod, statuses)
}
