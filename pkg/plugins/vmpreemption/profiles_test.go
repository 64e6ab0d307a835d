// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmpreemption"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// alone makes a profile kube-scheduler's own, but for preemption.
func alone(t *testing.T) func(*schedulerconfig.KubeSchedulerProfile) {
	t.Helper()
	stock, err := simapi.StockProfile("virt-scheduler")
	if err != nil {
		t.Fatal(err)
	}
	return func(p *schedulerconfig.KubeSchedulerProfile) {
		args := p.PluginConfig
		*p = stock
		for i := range p.Plugins.MultiPoint.Enabled {
			if p.Plugins.MultiPoint.Enabled[i].Name == "DefaultPreemption" {
				p.Plugins.MultiPoint.Enabled[i].Name = vmpreemption.Name
			}
		}
		for _, a := range args {
			if a.Name == vmpreemption.Name {
				p.PluginConfig = append(p.PluginConfig, a)
			}
		}
	}
}

// In a profile that has no other plugin of ours nothing is missing: VMs move, those that migrate already do not.
func TestAloneInItsProfile(t *testing.T) {
	v, full := makeVM("v", 30).On("a"), makeVM("full", 30).Priority(100).On("b")
	target := makePod("virt-launcher-v-target", 1).On("b").Priority(10).
		Label(kubevirtv1.AppLabel, "virt-launcher").Label(kubevirtv1.CreatedByLabel, "vmi-v").Label(kubevirtv1.MigrationJobLabel, "somebody's")
	for name, tc := range map[string]struct {
		pods      []*corev1.Pod
		nominated string
	}{
		"it moves":            {nominated: "a"},
		"it migrates already": {pods: []*corev1.Pod{target.Obj()}},
	} {
		t.Run(name, func(t *testing.T) {
			s, ctx := setup{
				nodes: []*corev1.Node{makeNode("a", 64), makeNode("b", 64), makeNode("c", 64)}, vms: []vmBuilder{v, full},
				pods: append(tc.pods, makePod("full", 34).Priority(1000).On("c").Obj()), profile: alone(t),
			}.start(t)
			comes := makeVM("comes", 48).Priority(100)
			s.SetVMI(comes.vmi)
			if outcome, err := s.Schedule(ctx, comes.Obj()); err != nil || outcome.Nominated != tc.nominated {
				t.Errorf("%+v, %v; want it nominated to %q", outcome, err, tc.nominated)
			}
		})
	}
}

// breaks is a filter that breaks on a host as soon as a pod of its name has left it.
type breaks struct{ on, without string }

func (breaks) Name() string { return "Breaks" }

func (b breaks) Filter(_ context.Context, _ fwk.CycleState, _ *corev1.Pod, host fwk.NodeInfo) *fwk.Status {
	if host.Node().Name != b.on {
		return nil
	}
	for _, there := range host.GetPods() {
		if there.GetPod().Name == b.without {
			return nil
		}
	}
	return fwk.AsStatus(errors.New("broken"))
}

// A host on which something breaks does not keep others from being found, as upstream has it.
func TestOneHostBreaks(t *testing.T) {
	registry := plugins.NewRegistry()
	registry["Breaks"] = func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) {
		return breaks{"a", "virt-launcher-v"}, nil
	}
	s, ctx := setup{
		nodes:    []*corev1.Node{makeNode("a", 64), makeNode("b", 64), makeNode("c", 64)},
		vms:      []vmBuilder{makeVM("v", 30).On("a"), makeVM("w", 31).On("b")},
		pods:     []*corev1.Pod{makePod("full", 20).Priority(1000).On("c").Obj()},
		registry: registry,
		profile: func(p *schedulerconfig.KubeSchedulerProfile) {
			p.Plugins.Filter.Enabled = append(p.Plugins.Filter.Enabled, schedulerconfig.Plugin{Name: "Breaks"})
		},
	}.start(t)
	comes := makeVM("comes", 48).Priority(100)
	s.SetVMI(comes.vmi)
	if outcome, err := s.Schedule(ctx, comes.Obj()); err != nil || outcome.Nominated != "b" {
		t.Errorf("%+v, %v; want it nominated to b", outcome, err)
	}
	if got := s.moves(t); len(got) != 1 || got[0] != "w>c" {
		t.Errorf("moves %v, want w>c", got)
	}
}
