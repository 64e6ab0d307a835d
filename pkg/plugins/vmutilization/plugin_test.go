// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// scores runs the scoring part of a cycle as the scheduler does.
func scores(ctx context.Context, t *testing.T, f framework.Framework, pod *corev1.Pod, hosts []fwk.NodeInfo) map[string]int64 {
	t.Helper()
	state := framework.NewCycleState()
	if status := f.RunPreScorePlugins(ctx, state, pod, hosts); !status.IsSuccess() {
		t.Fatalf("PreScore: %v", status.AsError())
	}
	results, status := f.RunScorePlugins(ctx, state, pod, hosts)
	if !status.IsSuccess() {
		t.Fatalf("Score: %v", status.AsError())
	}
	got := map[string]int64{}
	for _, result := range results {
		for _, score := range result.Scores {
			if score.Name == Name {
				got[result.Name] = score.Score
			}
		}
	}
	return got
}

func dedicated(d *kubevirtv1.DomainSpec) { d.CPU.DedicatedCPUPlacement = true }

func hugePages(size string) func(*kubevirtv1.DomainSpec) {
	return func(d *kubevirtv1.DomainSpec) { d.Memory.Hugepages = &kubevirtv1.Hugepages{PageSize: size} }
}

// Two hosts of 16 CPUs (full at 64 vCPUs) and 64 GiB unless a case says otherwise. The VM to be placed is "new".
func TestScores(t *testing.T) {
	newPod := makePod("new", "").Launcher("new").Requests("cpu", "200m", "memory", "1Gi").Obj()
	newVMI := vmi("new", 2, "1Gi")
	two := []*corev1.Node{node("a", "cpu", "16", "memory", "64Gi"), node("b", "cpu", "16", "memory", "64Gi")}
	vcpuOnly := func(a *config.VMUtilizationArgs) {
		a.Resources = []config.VMResourceWeight{{Name: config.VMResourceVCPU, Weight: 1}}
	}
	memoryOnly := func(a *config.VMUtilizationArgs) {
		a.Resources = []config.VMResourceWeight{{Name: config.VMResourceGuestMemory, Weight: 1}}
	}
	all := func(a *config.VMUtilizationArgs) {
		a.Resources = append(a.Resources, config.VMResourceWeight{Name: config.VMResourceCPURequests, Weight: 1},
			config.VMResourceWeight{Name: config.VMResourceMemoryRequests, Weight: 1})
	}
	requestsOnly := func(a *config.VMUtilizationArgs) {
		all(a)
		a.Resources = a.Resources[2:]
	}
	tests := map[string]struct {
		cluster cluster
		args    *config.VMUtilizationArgs
		pod     *corev1.Pod
		want    map[string]int64
	}{
		"guests count, not requests: 16 vCPUs that request little against 1 that requests much": {
			cluster: cluster{
				nodes: two,
				pods: []*corev1.Pod{
					makePod("p1", "a").Launcher("big").Requests("cpu", "100m").Obj(),
					makePod("p2", "b").Launcher("small").Requests("cpu", "8").Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("big", 16, "1Gi"), vmi("small", 1, "1Gi")},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 52, "b": 100}, // 18/64 against 3/64
		},
		"most packs": {
			cluster: cluster{
				nodes: two,
				pods:  []*corev1.Pod{makePod("p1", "a").Launcher("big").Obj()},
				vmis:  []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("big", 16, "16Gi")},
			},
			args: args(most), pod: newPod,
			want: map[string]int64{"a": 100, "b": 46}, // 0.27 in use against 0.02 of an empty host, which counts against it
		},
		"most does not go beyond full": {
			cluster: cluster{
				nodes: two,
				pods:  []*corev1.Pod{makePod("p1", "a").Launcher("big").Obj()},
				vmis:  []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("big", 63, "16Gi")},
			},
			args: args(most, vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 21, "b": 100}, // 65/64, beyond full, against 2/64 of an empty host
		},
		"without KubeVirt's API sizes come from pods": {
			cluster: cluster{
				nodes: two, noVMIs: true,
				pods: []*corev1.Pod{makePod("p1", "a").Launcher("big").Requests("cpu", "1600m").Obj()},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100},
		},
		"a VMI that is not known yet": {
			cluster: cluster{nodes: two, pods: []*corev1.Pod{makePod("p1", "a").Launcher("big").Requests("cpu", "1600m").Obj()}},
			args:    args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100},
		},
		"a pod that is no VM takes room": {
			cluster: cluster{
				nodes: two,
				pods: []*corev1.Pod{
					makePod("p1", "a").Launcher("one").Obj(), makePod("p2", "b").Launcher("two").Obj(),
					makePod("plain", "a").Requests("cpu", "8").Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("one", 14, "1Gi"), vmi("two", 14, "1Gi")},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 52, "b": 100}, // 15/32 against 15/64
		},
		"a migrating VM counts at its target only": {
			cluster: cluster{
				nodes: two,
				pods: []*corev1.Pod{
					makePod("source", "a").Launcher("moving").Obj(), makePod("target", "b").Launcher("moving").Target(time.Hour).Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("moving", 16, "1Gi")},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 100, "b": 50},
		},
		"and at its second migration, when both pods were targets once": {
			cluster: cluster{
				nodes: two,
				pods: []*corev1.Pod{
					makePod("target", "b").Launcher("moving").Target(2 * time.Hour).Obj(), makePod("source", "a").Launcher("moving").Target(time.Hour).Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("moving", 16, "1Gi")},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 100, "b": 50},
		},
		"at its source while the target is not placed": {
			cluster: cluster{
				nodes: two,
				pods: []*corev1.Pod{
					makePod("source", "a").Launcher("moving").Obj(), makePod("target", "").Launcher("moving").Target(time.Hour).Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("moving", 16, "1Gi")},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100},
		},
		"at its source when the migration was aborted": {
			cluster: cluster{
				nodes: two,
				pods: []*corev1.Pod{
					makePod("source", "a").Launcher("moving").Obj(), makePod("target", "b").Launcher("moving").Target(time.Hour).Ending().Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("moving", 16, "1Gi")},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100},
		},
		"the target of a migration: the VM does not count where it comes from": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("source", "a").Launcher("new").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{vmi("new", 32, "32Gi")},
			},
			args: args(), pod: makePod("target", "").Launcher("new").Target(time.Hour).Obj(),
			want: map[string]int64{"a": 100, "b": 100},
		},
		"dedicated CPUs are not overcommitted": {
			cluster: cluster{
				nodes: two,
				pods:  []*corev1.Pod{makePod("p1", "a").Launcher("pinned").Obj(), makePod("p2", "b").Launcher("shared").Obj()},
				vmis:  []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("pinned", 8, "1Gi", dedicated), vmi("shared", 16, "1Gi")},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100}, // 32+2 against 16+2 of 64
		},
		"huge pages are a pool of their own": {
			cluster: cluster{
				nodes: []*corev1.Node{
					node("a", "cpu", "16", "memory", "64Gi", "hugepages-1Gi", "64Gi"), node("b", "cpu", "16", "memory", "64Gi", "hugepages-1Gi", "64Gi"),
				},
				pods: []*corev1.Pod{makePod("p1", "a").Launcher("huge").Obj(), makePod("p2", "b").Launcher("ordinary").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{
					vmi("new", 2, "1Gi", hugePages("1Gi")), vmi("huge", 1, "16Gi", hugePages("1024Mi")), vmi("ordinary", 1, "48Gi"),
				},
			},
			args: args(memoryOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100},
		},
		"hosts of different size": {
			cluster: cluster{
				nodes: []*corev1.Node{node("a", "cpu", "4", "memory", "16Gi"), node("b", "cpu", "64", "memory", "256Gi")},
				vmis:  []*kubevirtv1.VirtualMachineInstance{vmi("new", 4, "4Gi")},
			},
			args: args(), pod: newPod,
			want: map[string]int64{"a": 69, "b": 100}, // half of 1/4 against half of 1/64
		},
		"beyond full it goes on": {
			cluster: cluster{
				nodes: two,
				pods:  []*corev1.Pod{makePod("p1", "a").Launcher("one").Obj(), makePod("p2", "b").Launcher("two").Obj()},
				vmis:  []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("one", 200, "1Gi"), vmi("two", 136, "1Gi")},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 20, "b": 100},
		},
		"what pods request, all of them": {
			cluster: cluster{
				nodes: two,
				pods: []*corev1.Pod{
					makePod("p1", "a").Launcher("one").Requests("cpu", "4").Obj(), makePod("p2", "a").Requests("cpu", "4").Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("one", 1, "1Gi")},
			},
			args: args(requestsOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100}, // CPU 8.2 against 0.2 of 16, memory alike
		},
		"of memory without huge pages": {
			cluster: cluster{
				nodes: two,
				pods:  []*corev1.Pod{makePod("p1", "a").Requests("memory", "32Gi").Obj(), makePod("p2", "b").Requests("hugepages-1Gi", "64Gi").Obj()},
				vmis:  []*kubevirtv1.VirtualMachineInstance{newVMI},
			},
			args: args(requestsOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100},
		},
		"at both hosts of a migrating VM, as kubelet has it": {
			cluster: cluster{
				nodes: append(two, node("c", "cpu", "16", "memory", "64Gi")),
				pods: []*corev1.Pod{
					makePod("source", "a").Launcher("moving").Requests("cpu", "8").Obj(),
					makePod("target", "b").Launcher("moving").Requests("cpu", "8").Target(time.Hour).Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("moving", 16, "1Gi")},
			},
			args: args(requestsOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 50, "c": 100},
		},
		"most, by guests and requests, packs what is full by neither": {
			cluster: cluster{
				nodes: two,
				pods:  []*corev1.Pod{makePod("p1", "a").Launcher("one").Requests("cpu", "4", "memory", "16Gi").Obj()},
				vmis:  []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("one", 16, "16Gi")},
			},
			args: args(most, all), pod: newPod,
			want: map[string]int64{"a": 100, "b": 47}, // a quarter in each
		},
		"requests with PreScore switched off": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("p1", "a").Requests("cpu", "8").Obj()},
				vmis:   []*kubevirtv1.VirtualMachineInstance{newVMI},
				change: off(preScore),
			},
			args: args(requestsOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100},
		},
		"PreScore switched off": {
			cluster: cluster{
				nodes:  two,
				pods:   []*corev1.Pod{makePod("p1", "a").Launcher("big").Obj()},
				vmis:   []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("big", 16, "1Gi")},
				change: off(preScore),
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 50, "b": 100},
		},
		"a pod that attaches a disk to a VM takes no room": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("disk", "a").Attachment().Requests("cpu", "8").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI},
			},
			args: args(vcpuOnly), pod: newPod,
			want: map[string]int64{"a": 100, "b": 100},
		},
		"a pod that is no VM is not scored": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("p1", "a").Launcher("big").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{vmi("big", 16, "1Gi")},
			},
			args: args(), pod: makePod("plain", "").Requests("cpu", "1").Obj(),
			want: map[string]int64{},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for informers
			ctx := testContext(t)
			f, hosts, err := tc.cluster.profile(ctx, t, tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, scores(ctx, t, f, tc.pod, hosts)); diff != "" {
				t.Errorf("scores (-want +got):\n%s", diff)
			}
		})
	}
}

// The scheduler puts a pod on a host before the API server knows: the next VM must see it there.
func TestAssumedPodsCount(t *testing.T) {
	ctx := testContext(t)
	c := cluster{
		nodes: []*corev1.Node{node("a", "cpu", "16", "memory", "64Gi"), node("b", "cpu", "16", "memory", "64Gi")},
		vmis:  []*kubevirtv1.VirtualMachineInstance{vmi("new", 1, "1Gi"), vmi("assumed", 16, "16Gi")},
	}
	f, hosts, err := c.profile(ctx, t, args())
	if err != nil {
		t.Fatal(err)
	}
	pod := makePod("new", "").Launcher("new").Obj()
	if diff := cmp.Diff(map[string]int64{"a": 100, "b": 100}, scores(ctx, t, f, pod, hosts)); diff != "" {
		t.Fatalf("scores before (-want +got):\n%s", diff)
	}
	info, err := framework.NewPodInfo(makePod("assumed", "").Launcher("assumed").Obj())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range hosts {
		if host.Node().Name == "b" {
			host.AddPodInfo(info)
		}
	}
	if diff := cmp.Diff(map[string]int64{"a": 100, "b": 50}, scores(ctx, t, f, pod, hosts)); diff != "" {
		t.Errorf("scores with an assumed pod on b (-want +got):\n%s", diff)
	}
}

func TestSkipsWhatIsNoVM(t *testing.T) {
	ctx := testContext(t)
	f, hosts, err := cluster{nodes: []*corev1.Node{node("a", "cpu", "1")}}.profile(ctx, t, args())
	if err != nil {
		t.Fatal(err)
	}
	state := framework.NewCycleState()
	f.RunPreScorePlugins(ctx, state, makePod("plain", "").Obj(), hosts)
	if !state.GetSkipScorePlugins().Has(Name) {
		t.Error("Score is not skipped for a pod that is no VM")
	}
}

func TestSignPod(t *testing.T) {
	ctx := testContext(t)
	f, _, err := cluster{nodes: []*corev1.Node{node("a", "cpu", "1")}}.profile(ctx, t, args())
	if err != nil {
		t.Fatal(err)
	}
	if f.SignPod(ctx, makePod("plain", "").Obj(), false) == nil {
		t.Error("a pod that is no VM is not signed: the plugin turns batching off")
	}
	if got := f.SignPod(ctx, makePod("vm", "").Launcher("vm").Obj(), false); got != nil {
		t.Errorf("a VM is signed as %s, but two VMs of one signature may differ in size", got)
	}
}

func TestNewRefuses(t *testing.T) {
	tests := map[string]struct {
		args runtime.Object
		want string
	}{
		"bad value": {
			args: args(func(a *config.VMUtilizationArgs) { a.Strategy = "Some" }),
			want: `initializing plugin "VMUtilization": args.strategy: Unsupported value: "Some": supported values: "Least", "Most"`,
		},
		"another plugin's arguments": {
			args: &schedulerconfig.NodeAffinityArgs{},
			want: `initializing plugin "VMUtilization": want args to be of type VMUtilizationArgs, got *config.NodeAffinityArgs`,
		},
		"none": {want: `initializing plugin "VMUtilization": want args to be of type VMUtilizationArgs, got <nil>`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := cluster{}.profile(testContext(t), t, tc.args)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}
