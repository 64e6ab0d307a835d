// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/migratability"
)

func nodes(builders ...nodeBuilder) []*corev1.Node {
	var made []*corev1.Node
	for _, b := range builders {
		made = append(made, b.Obj())
	}
	return made
}

func TestScore(t *testing.T) {
	skylake, cascadelake, icelake, rome := simlabels.Skylake(), simlabels.Cascadelake(), simlabels.Icelake(), simlabels.Rome()
	mixed := []nodeBuilder{
		makeNode("sky-1", skylake), makeNode("sky-2", skylake), makeNode("casc-1", cascadelake), makeNode("ice-1", icelake),
	}
	affinity := func(s *kubevirtv1.VirtualMachineInstanceSpec, requirement corev1.NodeSelectorRequirement, field bool) {
		term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{requirement}}
		if field {
			term = corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{requirement}}
		}
		s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}},
		}}
	}
	tests := map[string]struct {
		nodes []*corev1.Node
		vmi   *kubevirtv1.VirtualMachineInstance
		pod   podBuilder
		args  *config.VMNodeSelectionArgs
		want  map[string]int64
	}{
		"the newest host is a dead end": {
			nodes: nodes(mixed...), want: map[string]int64{"sky-1": 100, "sky-2": 100, "casc-1": 33, "ice-1": 0},
		},
		"a higher saturation": {
			nodes: nodes(mixed...), args: args(func(a *config.VMNodeSelectionArgs) { a.MigratabilitySaturation = 10 }),
			want: map[string]int64{"sky-1": 30, "sky-2": 30, "casc-1": 10, "ice-1": 0},
		},
		"a model that all have": {
			nodes: nodes(mixed...), vmi: vmi("vm", cpuModel("Haswell")),
			want: map[string]int64{"sky-1": 100, "sky-2": 100, "casc-1": 100, "ice-1": 100},
		},
		"passed through: equal hosts only": {
			nodes: nodes(mixed...), vmi: vmi("vm", cpuModel(kubevirtv1.CPUModeHostPassthrough)),
			want: map[string]int64{"sky-1": 33, "sky-2": 33, "casc-1": 0, "ice-1": 0},
		},
		"another vendor's hosts are no exits": {
			nodes: nodes(makeNode("sky-1", skylake), makeNode("rome-1", rome), makeNode("rome-2", rome)),
			want:  map[string]int64{"sky-1": 0, "rome-1": 33, "rome-2": 33},
		},
		"not known is neutral": {
			nodes: nodes(makeNode("sky-1", skylake), makeNode("sky-2", skylake), makeBareNode("bare")),
			want:  map[string]int64{"sky-1": 33, "sky-2": 33, "bare": 50},
		},
		"hosts that VMs may not go to are no exits": {
			nodes: nodes(makeNode("a", skylake), makeNode("cordoned", skylake).Cordoned(), makeNode("silent", skylake).Beat(""),
				makeNode("off", skylake).With(kubevirtv1.NodeSchedulable, "false"), makeNode("failed", skylake).Taint(failurev1alpha1.TaintKey, corev1.TaintEffectNoSchedule)),
			want: map[string]int64{"a": 0, "cordoned": 33}, // a cordoned one is NodeUnschedulable's to refuse; from there it could go to a
		},
		"the owner's selector": {
			nodes: nodes(makeNode("gold-1", skylake).With("tier", "gold"), makeNode("gold-2", skylake).With("tier", "gold"), makeNode("tin-1", skylake).With("tier", "tin")),
			vmi:   vmi("vm", selector("tier", "gold")),
			want:  map[string]int64{"gold-1": 33, "gold-2": 33, "tin-1": 66},
		},
		"the owner's affinity": {
			nodes: nodes(makeNode("a", skylake).With("tier", "gold"), makeNode("b", skylake).With("tier", "tin"), makeNode("c", skylake)),
			vmi: vmi("vm", func(s *kubevirtv1.VirtualMachineInstanceSpec) {
				affinity(s, corev1.NodeSelectorRequirement{Key: "tier", Operator: corev1.NodeSelectorOpIn, Values: []string{"gold", "tin"}}, false)
			}),
			want: map[string]int64{"a": 33, "b": 33, "c": 66},
		},
		"by the hosts' names": {
			nodes: nodes(makeNode("a", skylake), makeNode("b", skylake), makeNode("c", skylake)),
			vmi: vmi("vm", func(s *kubevirtv1.VirtualMachineInstanceSpec) {
				affinity(s, corev1.NodeSelectorRequirement{Key: "metadata.name", Operator: corev1.NodeSelectorOpNotIn, Values: []string{"c"}}, true)
			}),
			want: map[string]int64{"a": 33, "b": 33, "c": 66},
		},
		"tied to one host": {
			nodes: nodes(makeNode("a", skylake), makeNode("b", skylake)), vmi: vmi("vm", selector(corev1.LabelHostname, "a")),
			want: map[string]int64{"a": 0, "b": 33},
		},
		"a GPU: never migrated, not scored": {
			nodes: nodes(makeNode("a", skylake).Allocatable("nvidia.com/T4", "1"), makeNode("b", skylake).Allocatable("nvidia.com/T4", "1")),
			vmi:   vmi("vm", gpu("nvidia.com/T4")),
		},
		"the target of a migration keeps the CPU that it has": {
			nodes: nodes(mixed...),
			pod: makeVM("vm").Target().Selector("cpu-model-migration.node.kubevirt.io/Skylake-Server", "true").
				Selector("cpu-feature.node.kubevirt.io/md-clear", "true").Selector("cpu-vendor.node.kubevirt.io/Intel", "true"),
			want: map[string]int64{"sky-1": 100, "sky-2": 100, "casc-1": 100, "ice-1": 100},
		},
		"VMI not known: by default it has its host's model": {
			nodes: nodes(mixed...), vmi: vmi("another"), want: map[string]int64{"sky-1": 100, "sky-2": 100, "casc-1": 33, "ice-1": 0},
		},
		"a pod that is no VM": {nodes: nodes(mixed...), pod: makePod("plain")},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			if tc.vmi == nil {
				tc.vmi = vmi("vm")
			}
			if tc.pod.pod == nil {
				tc.pod = makeVM("vm")
			}
			if tc.args == nil {
				tc.args = args()
			}
			for point, disabled := range map[string]schedulerconfig.Plugins{
				"all points": {}, "PreFilter switched off": {PreFilter: off}, "PreScore switched off": {PreScore: off}, "both": {PreFilter: off, PreScore: off},
			} {
				if tc.want == nil && disabled.PreScore.Disabled != nil {
					continue // nobody says that Score is to be skipped: it gives all hosts the same
				}
				p := mustProfile(ctx, t, cluster{nodes: tc.nodes, vmis: []*kubevirtv1.VirtualMachineInstance{tc.vmi}, disabled: disabled}, tc.args)
				for _, again := range []string{"first", "second"} { // the second has keys of labels that the first has asked for
					if diff := cmp.Diff(tc.want, p.cycle(ctx, t, tc.pod.Obj()).Scores); diff != "" {
						t.Errorf("%s, %s cycle: scores (-want +got):\n%s", point, again, diff)
					}
				}
			}
		})
	}
}

// From classes come the scores that looking at each pair of hosts gives.
func TestScoreAsHostByHost(t *testing.T) {
	cpus := []simlabels.CPU{simlabels.Skylake(), simlabels.Cascadelake(), simlabels.Icelake(), simlabels.Rome(), simlabels.Arm()}
	ctx := testContext(t)
	rapid.Check(t, func(rt *rapid.T) {
		var made []*corev1.Node
		for i := range rapid.IntRange(1, 12).Draw(rt, "hosts") {
			b := makeNode(fmt.Sprintf("n%d", i), rapid.SampledFrom(cpus).Draw(rt, "cpu"))
			switch rapid.IntRange(0, 5).Draw(rt, "kind") {
			case 0:
				b = b.Labels(simlabels.Unlabelled("amd64"))
			case 1:
				b = b.With("tier", "gold")
			case 2:
				b = b.Cordoned()
			case 3:
				b = b.With("kubevirt.io/ksm-enabled", "true")
			}
			made = append(made, b.Obj())
		}
		spec := rapid.SampledFrom([]*kubevirtv1.VirtualMachineInstance{
			vmi("vm"), vmi("vm", cpuModel("Haswell")), vmi("vm", cpuModel(kubevirtv1.CPUModeHostPassthrough)), vmi("vm", selector("tier", "gold")),
		}).Draw(rt, "vmi")
		saturation := rapid.Int32Range(1, 6).Draw(rt, "saturation")
		p := mustProfile(ctx, t, cluster{nodes: made, vmis: []*kubevirtv1.VirtualMachineInstance{spec}},
			args(func(a *config.VMNodeSelectionArgs) { a.MigratabilitySaturation = saturation }))
		pod := makeVM("vm").Obj()
		got := p.cycle(ctx, t, pod)
		vm := p.plugin.view.VM(pod)
		guest := migratability.GuestOf(vm, fit.DemandsOf(vm), nil)
		for i, from := range made {
			if _, refused := got.Refused[from.Name]; refused {
				continue
			}
			source, others := migratability.HostOf(from.Labels), int32(0)
			for j, to := range made {
				target := migratability.HostOf(to.Labels)
				selected := spec.Spec.NodeSelector == nil || to.Labels["tier"] == spec.Spec.NodeSelector["tier"]
				if i != j && fit.Receives(to) && selected && guest.CanMove(source, target, migratability.Relate(source, target), 0) {
					others++
				}
			}
			want := neutralScore
			if guest.Known(source) {
				want = int64(100 * min(others, saturation) / saturation)
			}
			if score := got.Scores[from.Name]; score != want {
				rt.Fatalf("host %s: score %d, host by host %d", from.Name, score, want)
			}
		}
	})
}
