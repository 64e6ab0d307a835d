// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/utils/clock"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/heartbeats"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
)

// BenchmarkCycle is what the plugin adds to the scheduling of one VM, point by point, with 5,000 hosts in few classes and
// in many: PreFilter (with the refresh of the view in it), Filter of one host, PreScore with the 500 hosts that upstream
// would score, Score of one host. Compare runs with benchstat:
//
//	go test -run=NONE -bench=Cycle -count=10 ./pkg/plugins/vmnodeselection
func BenchmarkCycle(b *testing.B) {
	const scored = 500
	for _, classes := range []int{4, 40, 400} {
		pl, hosts := benchmarkPlugin(b, 5000, classes)
		pod, ctx := makeVM("vm").Obj(), testContext(b)
		state := framework.NewCycleState()
		if _, status := pl.PreFilter(ctx, state, pod, hosts); !status.IsSuccess() {
			b.Fatal(status.AsError())
		}
		if status := pl.PreScore(ctx, state, pod, hosts[:scored]); !status.IsSuccess() {
			b.Fatal(status.AsError())
		}
		i := 0
		for _, point := range []struct {
			name string
			run  func() *fwk.Status
		}{
			{"PreFilter", func() *fwk.Status {
				_, status := pl.PreFilter(ctx, framework.NewCycleState(), pod, hosts)
				return status
			}},
			{"Filter", func() *fwk.Status {
				i++
				return pl.Filter(ctx, state, pod, hosts[i%len(hosts)])
			}},
			{"PreScore", func() *fwk.Status { return pl.PreScore(ctx, state, pod, hosts[:scored]) }},
			{"Score", func() *fwk.Status {
				i++
				_, status := pl.Score(ctx, state, pod, hosts[i%scored])
				return status
			}},
		} {
			b.Run(fmt.Sprintf("hosts=%d/classes=%d/%s", len(hosts), classes, point.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if status := point.run(); !status.IsSuccess() {
						b.Fatal(status.AsError())
					}
				}
			})
		}
	}
}

// benchmarkPlugin makes the plugin with many hosts. It has no informers of nodes: all heartbeats
// are as if just seen.
func benchmarkPlugin(b *testing.B, size, classes int) (*VMNodeSelection, []fwk.NodeInfo) {
	b.Helper()
	cpus := []simlabels.CPU{simlabels.Skylake(), simlabels.Cascadelake(), simlabels.Icelake(), simlabels.Rome()}
	var made []*corev1.Node
	for i := range size {
		class := i % classes
		cpu := cpus[class%len(cpus)]
		if class >= len(cpus) { // hosts that require something of their own, as after half of a firmware update
			cpu.Features = append(append([]string{}, cpu.Features...), fmt.Sprintf("feature-%d", class))
		}
		made = append(made, makeNode(fmt.Sprintf("node-%d", i), cpu).Obj())
	}
	snapshot := cache.NewSnapshot(nil, made)
	ctx := testContext(b)
	api := simapi.New(b, simapi.VMIs)
	api.Install()
	api.Set(vmi("vm"))
	var pl *VMNodeSelection
	registry := plugins.NewInTreeRegistry()
	make := NewFactory(clusterview.NewPool(), heartbeats.NewPool(clock.RealClock{}))
	registry[Name] = func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		made, err := make(ctx, args, handle)
		pl, _ = made.(*VMNodeSelection)
		return made, err
	}
	one := func(name string) schedulerconfig.PluginSet {
		return schedulerconfig.PluginSet{Enabled: []schedulerconfig.Plugin{{Name: name}}}
	}
	_, err := frameworkruntime.NewFramework(ctx, registry, &schedulerconfig.KubeSchedulerProfile{
		SchedulerName: "test",
		Plugins:       &schedulerconfig.Plugins{QueueSort: one(names.PrioritySort), Bind: one(names.DefaultBinder), MultiPoint: one(Name)},
		PluginConfig:  []schedulerconfig.PluginConfig{{Name: Name, Args: args()}},
	}, frameworkruntime.WithSnapshotSharedLister(snapshot), frameworkruntime.WithKubeConfig(api.Config()))
	if err != nil {
		b.Fatal(err)
	}
	eventually(ctx, b, "the VM is known", func() bool { return !pl.view.VM(makeVM("vm").Obj()).Guessed })
	hosts, err := snapshot.NodeInfos().List()
	if err != nil {
		b.Fatal(err)
	}
	return pl, hosts
}
