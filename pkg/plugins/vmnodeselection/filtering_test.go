// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
)

func reason(r fit.Reason, detail string) string {
	return fit.Verdict{Reason: r, Detail: detail}.String()
}

func TestFilter(t *testing.T) {
	skylake, rome := simlabels.Skylake(), simlabels.Rome()
	tests := map[string]struct {
		node nodeBuilder
		vmi  *kubevirtv1.VirtualMachineInstance
		args *config.VMNodeSelectionArgs
		want string // "" for a host that will do
	}{
		"a host that is all right":               {node: makeNode("a", skylake)},
		"virt-handler does not run VMs":          {node: makeNode("a", skylake).With(kubevirtv1.NodeSchedulable, "false"), want: reason(fit.ReasonNotSchedulable, "")},
		"no virt-handler":                        {node: makeNode("a", skylake).With(kubevirtv1.NodeSchedulable, "-"), want: reason(fit.ReasonNotSchedulable, "")},
		"never heard of":                         {node: makeNode("a", skylake).Beat(""), want: reason(fit.ReasonNoHeartbeat, "")},
		"our taint, and all tolerated":           {node: makeNode("a", skylake).Taint(failurev1alpha1.TaintKey, corev1.TaintEffectNoSchedule), want: reason(fit.ReasonNodeFailure, "")},
		"other taints are another plugin's":      {node: makeNode("a", skylake).Taint(kubevirtv1.NodeSchedulable, corev1.TaintEffectNoSchedule)},
		"a CPU model":                            {node: makeNode("a", skylake), vmi: vmi("vm", cpuModel("Haswell"))},
		"a CPU model that it has not":            {node: makeNode("a", skylake), vmi: vmi("vm", cpuModel("Icelake-Server")), want: reason(fit.ReasonCPUModel, "Icelake-Server")},
		"another vendor's CPU model":             {node: makeNode("a", rome), vmi: vmi("vm", cpuModel("Skylake-Server")), want: reason(fit.ReasonCPUModel, "Skylake-Server")},
		"nothing published":                      {node: makeBareNode("a"), vmi: vmi("vm", cpuModel("Icelake-Server"))},
		"nothing published, strictly":            {node: makeBareNode("a"), vmi: vmi("vm", cpuModel("Icelake-Server")), args: args(strict), want: reason(fit.ReasonUnpublished, "CPU models")},
		"realtime, where it is published":        {node: makeNode("a", skylake), vmi: vmi("vm", func(s *kubevirtv1.VirtualMachineInstanceSpec) { s.Domain.CPU.Realtime = &kubevirtv1.Realtime{} }), want: reason(fit.ReasonRealtime, "")},
		"a GPU":                                  {node: makeNode("a", skylake).Allocatable("nvidia.com/A100", "2"), vmi: vmi("vm", gpu("nvidia.com/A100"))},
		"a GPU that it has not":                  {node: makeNode("a", skylake).Allocatable("nvidia.com/T4", "2"), vmi: vmi("vm", gpu("nvidia.com/A100")), want: reason(fit.ReasonDevice, "nvidia.com/A100")},
		"a GPU that is broken":                   {node: makeNode("a", skylake).Allocatable("nvidia.com/A100", "0"), vmi: vmi("vm", gpu("nvidia.com/A100")), want: reason(fit.ReasonDevice, "nvidia.com/A100")},
		"VMI not known: as the pod tells":        {node: makeNode("a", skylake), vmi: vmi("another", cpuModel("Icelake-Server"))},
		"dedicated CPUs, no CPU manager":         {node: makeNode("a", skylake), vmi: vmi("vm", func(s *kubevirtv1.VirtualMachineInstanceSpec) { s.Domain.CPU.DedicatedCPUPlacement = true }), want: reason(fit.ReasonCPUManager, "")},
		"the failure is named before the labels": {node: makeNode("a", skylake).Taint(failurev1alpha1.TaintKey, corev1.TaintEffectNoExecute).With(kubevirtv1.NodeSchedulable, "-"), want: reason(fit.ReasonNodeFailure, "")},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			c := cluster{nodes: []*corev1.Node{tc.node.Obj()}, vmis: []*kubevirtv1.VirtualMachineInstance{vmi("vm")}}
			if tc.vmi != nil {
				c.vmis = []*kubevirtv1.VirtualMachineInstance{tc.vmi}
			}
			if tc.args == nil {
				tc.args = args()
			}
			for point, disabled := range map[string]schedulerconfig.Plugins{
				"all points": {}, "PreFilter switched off": {PreFilter: off}, "PreScore switched off": {PreScore: off},
			} {
				c.disabled = disabled
				p := mustProfile(ctx, t, c, tc.args)
				for kind, pod := range map[string]*corev1.Pod{
					"VM": makeVM("vm").TolerateAll().Obj(), "target": makeVM("vm").Target().TolerateAll().Obj(),
				} {
					want := map[string]string{}
					if tc.want != "" {
						want["a"] = tc.want
					}
					if diff := cmp.Diff(want, p.cycle(ctx, t, pod).Refused); diff != "" {
						t.Errorf("%s, %s: refused hosts (-want +got):\n%s", kind, point, diff)
					}
				}
			}
		})
	}
}

var off = schedulerconfig.PluginSet{Disabled: []schedulerconfig.Plugin{{Name: Name}}}

func TestFilterFollowsHeartbeats(t *testing.T) {
	ctx := testContext(t)
	a, b := makeNode("a", simlabels.Skylake()), makeNode("b", simlabels.Skylake())
	p := mustProfile(ctx, t, cluster{nodes: []*corev1.Node{a.Obj(), b.Obj()}, vmis: []*kubevirtv1.VirtualMachineInstance{vmi("vm")}}, args())
	pod := makeVM("vm").Obj()
	refused := func(want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, p.cycle(ctx, t, pod).Refused); diff != "" {
			t.Errorf("refused hosts (-want +got):\n%s", diff)
		}
	}
	refused(map[string]string{})
	p.clock.SetTime(p.clock.Now().Add(tolerance - time.Second))
	refused(map[string]string{})
	// One of them beats. The snapshot here is not a scheduler's: its nodes are changed by hand.
	beaten := b.Obj().DeepCopy()
	beaten.Annotations[kubevirtv1.VirtHandlerHeartbeat] = "2"
	updateNode(ctx, t, p, beaten)
	eventually(ctx, t, "the beat is seen", func() bool { return !p.plugin.beats.Alive(beaten, p.clock.Now(), 0) })
	p.clock.SetTime(p.clock.Now().Add(time.Second))
	for _, host := range p.hosts {
		if host.Node().Name == "b" {
			host.(*framework.NodeInfo).SetNode(beaten)
		}
	}
	refused(map[string]string{"a": reason(fit.ReasonNoHeartbeat, "")})
	p.clock.SetTime(p.clock.Now().Add(tolerance))
	refused(map[string]string{"a": reason(fit.ReasonNoHeartbeat, ""), "b": reason(fit.ReasonNoHeartbeat, "")})
}

func TestFilterRefusesHostsWithAnOpenNodeFailure(t *testing.T) {
	ctx := testContext(t)
	api := simapi.New(t, simapi.Resource{GroupVersion: failurev1alpha1.GroupVersion, Plural: "nodefailures", Kind: "NodeFailure"})
	api.Install()
	failure := &failurev1alpha1.NodeFailure{ObjectMeta: metav1.ObjectMeta{Name: "incident", UID: "incident"}}
	failure.Spec.NodeName = "a"
	api.Set(failure)
	p := mustProfile(ctx, t, cluster{
		nodes: []*corev1.Node{makeNode("a", simlabels.Skylake()).Obj(), makeNode("b", simlabels.Skylake()).Obj()}, api: api,
	}, args())
	pod := makeVM("vm").TolerateAll().Obj()
	eventually(ctx, t, "the host is refused while the NodeFailure is open, and no other", func() bool {
		return cmp.Equal(map[string]string{"a": reason(fit.ReasonNodeFailure, "")}, p.cycle(ctx, t, pod).Refused)
	})
	closed := failure.DeepCopy()
	closed.Status.Phase = failurev1alpha1.PhaseClosed
	api.Set(closed)
	eventually(ctx, t, "the host is for VMs again", func() bool { return len(p.cycle(ctx, t, pod).Refused) == 0 })
}

// What a VM wishes may change while its pod waits.
func TestFilterFollowsTheVMI(t *testing.T) {
	ctx := testContext(t)
	api := simapi.New(t, simapi.VMIs)
	api.Install()
	p := mustProfile(ctx, t, cluster{
		nodes: []*corev1.Node{makeNode("a", simlabels.Skylake()).Obj()}, api: api,
		vmis: []*kubevirtv1.VirtualMachineInstance{vmi("vm", cpuModel("Icelake-Server"))},
	}, args())
	pod := makeVM("vm").Obj()
	if diff := cmp.Diff(map[string]string{"a": reason(fit.ReasonCPUModel, "Icelake-Server")}, p.cycle(ctx, t, pod).Refused); diff != "" {
		t.Fatalf("refused hosts (-want +got):\n%s", diff)
	}
	api.Set(vmi("vm", cpuModel("Haswell")))
	eventually(ctx, t, "the host will do for the other model", func() bool { return len(p.cycle(ctx, t, pod).Refused) == 0 })
}

// Labels change at run time: a class is judged again.
func TestFilterFollowsLabels(t *testing.T) {
	ctx := testContext(t)
	a := makeNode("a", simlabels.Skylake())
	p := mustProfile(ctx, t, cluster{
		nodes: []*corev1.Node{a.Obj(), makeNode("b", simlabels.Skylake()).Obj()},
		vmis:  []*kubevirtv1.VirtualMachineInstance{vmi("vm", cpuModel("Haswell"))},
	}, args())
	pod := makeVM("vm").Obj()
	if got := p.cycle(ctx, t, pod).Refused; len(got) != 0 {
		t.Fatalf("refused hosts: %v, want none", got)
	}
	changed := nodeBuilder{a.Obj().DeepCopy()}.With("cpu-model.node.kubevirt.io/Haswell", "-").Obj()
	for _, host := range p.hosts {
		if host.Node().Name == "a" {
			host.(*framework.NodeInfo).SetNode(changed)
		}
	}
	if diff := cmp.Diff(map[string]string{"a": reason(fit.ReasonCPUModel, "Haswell")}, p.cycle(ctx, t, pod).Refused); diff != "" {
		t.Errorf("refused hosts (-want +got):\n%s", diff)
	}
}

// Filter passes a host without allocating.
func TestFilterDoesNotAllocate(t *testing.T) {
	ctx := testContext(t)
	p := mustProfile(ctx, t, cluster{
		nodes: []*corev1.Node{makeNode("a", simlabels.Skylake()).Allocatable("nvidia.com/A100", "2").Obj()},
		vmis:  []*kubevirtv1.VirtualMachineInstance{vmi("vm", cpuModel("Haswell"), gpu("nvidia.com/A100"))},
	}, args())
	pod, state := makeVM("vm").Obj(), framework.NewCycleState()
	if _, status := p.plugin.PreFilter(ctx, state, pod, p.hosts); !status.IsSuccess() {
		t.Fatal(status.AsError())
	}
	if got := testing.AllocsPerRun(100, func() {
		if status := p.plugin.Filter(ctx, state, pod, p.hosts[0]); !status.IsSuccess() {
			t.Error(status.AsError())
		}
	}); got != 0 {
		t.Errorf("Filter allocates %v times for a host that passes, want 0", got)
	}
}
