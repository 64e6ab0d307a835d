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
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/queue"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// verdict is what is said of a host: "" when it may be taken.
func verdict(status *fwk.Status) string {
	if status.IsSuccess() {
		return ""
	}
	return status.Code().String() + ": " + status.Message()
}

// verdicts runs the filtering part of a cycle as the scheduler does.
func verdicts(ctx context.Context, t *testing.T, f framework.Framework, pod *corev1.Pod, hosts []fwk.NodeInfo) map[string]string {
	t.Helper()
	state := framework.NewCycleState()
	if _, status, _ := f.RunPreFilterPlugins(ctx, state, pod); !status.IsSuccess() {
		t.Fatalf("PreFilter: %v", status.AsError())
	}
	got := map[string]string{}
	for _, host := range hosts {
		got[host.Node().Name] = verdict(f.RunFilterPluginsWithNominatedPods(ctx, state, pod, host))
	}
	return got
}

func capped(cpu, memory int32) func(*config.VMUtilizationArgs) {
	return func(a *config.VMUtilizationArgs) {
		if cpu > 0 {
			a.MaxCPUOvercommitPercent = &cpu
		}
		if memory > 0 {
			a.MaxMemoryOvercommitPercent = &memory
		}
	}
}

func annotated(n *corev1.Node, text string) *corev1.Node {
	n.Annotations = map[string]string{config.OvercommitAnnotation: text}
	return n
}

const (
	tooManyVCPUs  = "Unschedulable: host would have more vCPUs than its cap allows"
	tooMuchMemory = "Unschedulable: host would have more guest memory than its cap allows"
	tooLarge      = "UnschedulableAndUnresolvable: VM has more vCPUs than the host's cap allows"
)

// Two hosts of 16 CPUs and 64 GiB unless a case says otherwise. The VM to be placed is "new", of 2 vCPUs and 1 GiB unless
// a case says otherwise.
func TestVerdicts(t *testing.T) {
	newPod := makePod("new", "").Launcher("new").Requests("cpu", "200m", "memory", "1Gi").Obj()
	newVMI := vmi("new", 2, "1Gi")
	host := func(name string) *corev1.Node { return node(name, "cpu", "16", "memory", "64Gi") }
	two := []*corev1.Node{host("a"), host("b")}
	// On host a is a VM of the given size, on host b nothing.
	with := func(vcpus uint32, memory string, change ...func(*kubevirtv1.DomainSpec)) cluster {
		return cluster{
			nodes: two, pods: []*corev1.Pod{makePod("p1", "a").Launcher("one").Obj()},
			vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("one", vcpus, memory, change...)},
		}
	}
	overridden := func(text string) cluster {
		c := with(40, "40Gi")
		c.nodes = []*corev1.Node{annotated(host("a"), text), host("b")}
		return c
	}
	huge := func(name string) *corev1.Node {
		return node(name, "cpu", "16", "memory", "64Gi", "hugepages-1Gi", "16Gi")
	}
	moving := func(target podBuilder) cluster {
		return cluster{
			nodes: two, pods: []*corev1.Pod{makePod("source", "a").Launcher("moving").Obj(), target.Obj()},
			vmis: []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("moving", 15, "1Gi")},
		}
	}
	target := makePod("target", "b").Launcher("moving").Target(time.Hour)
	tests := map[string]struct {
		cluster cluster
		args    *config.VMUtilizationArgs
		pod     *corev1.Pod
		want    map[string]string
	}{
		"no caps by default": {cluster: with(10_000, "10Ti"), args: args(), want: map[string]string{"a": "", "b": ""}},
		"up to the caps":     {cluster: with(62, "63Gi"), args: args(capped(400, 100)), want: map[string]string{"a": "", "b": ""}},
		"one vCPU too many":  {cluster: with(63, "1Gi"), args: args(capped(400, 0)), want: map[string]string{"a": tooManyVCPUs, "b": ""}},
		"a MiB too much": {
			cluster: with(1, "64513Mi"), args: args(capped(0, 100)), want: map[string]string{"a": tooMuchMemory, "b": ""},
		},
		"both": {
			cluster: with(63, "64Gi"), args: args(capped(400, 100)),
			want: map[string]string{"a": tooManyVCPUs + ", host would have more guest memory than its cap allows", "b": ""},
		},
		"what counts as full is no cap": {
			cluster: with(63, "64Gi"), args: args(func(a *config.VMUtilizationArgs) { a.CPUOvercommitPercent = 100 }),
			want: map[string]string{"a": "", "b": ""},
		},
		"a VM that is larger than a host's cap, beside one that is not": {
			cluster: cluster{
				nodes: []*corev1.Node{node("a", "cpu", "4", "memory", "64Gi"), host("b")},
				vmis:  []*kubevirtv1.VirtualMachineInstance{vmi("new", 32, "1Gi")},
			},
			args: args(capped(400, 0)), want: map[string]string{"a": tooLarge, "b": ""},
		},
		"too large for the host's cap on CPU, and no room in memory": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("p1", "a").Launcher("one").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{vmi("new", 17, "1Gi"), vmi("one", 1, "64Gi")},
			},
			args: args(capped(100, 100)),
			want: map[string]string{"a": tooLarge + ", host would have more guest memory than its cap allows", "b": tooLarge},
		},
		"dedicated CPUs are taken from the shared ones": {
			cluster: with(12, "1Gi", dedicated), args: args(capped(100, 0)), pod: makePod("new", "").Launcher("wide").Requests("cpu", "500m").Obj(),
			want: map[string]string{"a": tooManyVCPUs, "b": ""}, // guessed: 5 vCPUs of the 4 that are left
		},
		"and not overcommitted": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("p1", "a").Launcher("one").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{vmi("new", 9, "1Gi", dedicated), vmi("one", 8, "1Gi", dedicated)},
			},
			args: args(capped(10000, 0)), want: map[string]string{"a": tooManyVCPUs, "b": ""},
		},
		"huge pages are a pool of their own, and not overcommitted": {
			cluster: cluster{
				nodes: []*corev1.Node{huge("a"), huge("b"), huge("c"), host("d")},
				pods: []*corev1.Pod{
					makePod("p1", "a").Launcher("huge").Obj(), makePod("p2", "b").Launcher("ordinary").Obj(),
					makePod("p3", "c").Requests("hugepages-1Gi", "14Gi").Obj(),
				},
				vmis: []*kubevirtv1.VirtualMachineInstance{
					vmi("new", 2, "4Gi", hugePages("1Gi")), vmi("huge", 1, "13Gi", hugePages("1024Mi")), vmi("ordinary", 1, "128Gi"),
				},
			},
			args: args(capped(0, 200)),
			want: map[string]string{
				"a": "Unschedulable: host would have more guest memory in huge pages than it has huge pages",
				"b": "",
				"c": "Unschedulable: host would have more guest memory in huge pages than it has huge pages",
				"d": "UnschedulableAndUnresolvable: VM has more guest memory in huge pages than the host has huge pages",
			},
		},
		"pods that are no VMs take room": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("plain", "a").Requests("cpu", "15", "memory", "1Gi").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI},
			},
			args: args(capped(100, 100)), want: map[string]string{"a": tooManyVCPUs, "b": ""},
		},
		"pods that attach disks to VMs do not": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("disk", "a").Attachment().Requests("cpu", "15", "memory", "64Gi").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{newVMI},
			},
			args: args(capped(100, 100)), want: map[string]string{"a": "", "b": ""},
		},
		"a VM that migrates counts on both of its hosts": {
			cluster: moving(target), args: args(capped(100, 0)), want: map[string]string{"a": tooManyVCPUs, "b": tooManyVCPUs},
		},
		"also when its migration was aborted, until the target has gone": {
			cluster: moving(target.Ending()), args: args(capped(100, 0)), want: map[string]string{"a": tooManyVCPUs, "b": tooManyVCPUs},
		},
		"and only where it is once it has moved": {
			cluster: cluster{
				nodes: two,
				pods:  []*corev1.Pod{makePod("source", "a").Launcher("moving").Finished().Obj(), target.Obj()},
				vmis:  []*kubevirtv1.VirtualMachineInstance{newVMI, vmi("moving", 15, "1Gi")},
			},
			args: args(capped(100, 0)), want: map[string]string{"a": "", "b": tooManyVCPUs},
		},
		"a VM is not in its own way": {
			cluster: cluster{
				nodes: two, pods: []*corev1.Pod{makePod("source", "a").Launcher("new").Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{vmi("new", 10, "40Gi")},
			},
			args: args(capped(100, 100)), pod: makePod("target", "").Launcher("new").Target(time.Hour).Obj(),
			want: map[string]string{"a": "", "b": ""},
		},
		"a node may be filled further":             {cluster: overridden("cpu=300"), args: args(capped(200, 0)), want: map[string]string{"a": "", "b": ""}},
		"or less far":                              {cluster: overridden("cpu=200"), args: args(capped(400, 0)), want: map[string]string{"a": tooManyVCPUs, "b": ""}},
		"or have a cap where the others have none": {cluster: overridden("memory=50"), args: args(), want: map[string]string{"a": tooMuchMemory, "b": ""}},
		"one cap of its own, one of the arguments": {
			cluster: overridden("cpu=300"), args: args(capped(200, 50)), want: map[string]string{"a": tooMuchMemory, "b": ""},
		},
		"what cannot be read lifts no cap": {cluster: overridden("cpu=300,memory=all"), args: args(capped(200, 0)), want: map[string]string{"a": tooManyVCPUs, "b": ""}},
		"nor makes one":                    {cluster: overridden("memory=5"), args: args(), want: map[string]string{"a": "", "b": ""}},
		"a guest whose size is not known":  {cluster: cluster{nodes: two, noVMIs: true, pods: []*corev1.Pod{makePod("p1", "a").Launcher("one").Requests("cpu", "1500m").Obj()}}, args: args(capped(100, 0)), want: map[string]string{"a": tooManyVCPUs, "b": ""}},
		"a pod that is no VM is not looked at": {
			cluster: with(1000, "1Ti"), args: args(capped(10, 10)), pod: makePod("plain", "").Requests("cpu", "16").Obj(),
			want: map[string]string{"a": "", "b": ""},
		},
		"nor one that attaches a disk": {
			cluster: with(1000, "1Ti"), args: args(capped(10, 10)), pod: makePod("disk", "").Attachment().Obj(),
			want: map[string]string{"a": "", "b": ""},
		},
	}
	for name, tc := range tests {
		if tc.pod == nil {
			tc.pod = newPod
		}
		for point, change := range map[string]cluster{"": {}, ", PreFilter switched off": {change: off(preFilter)}} {
			t.Run(name+point, func(t *testing.T) {
				t.Parallel() // each waits for informers
				ctx := testContext(t)
				c := tc.cluster
				c.change = change.change
				f, hosts, err := c.profile(ctx, t, tc.args)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tc.want, verdicts(ctx, t, f, tc.pod, hosts)); diff != "" {
					t.Errorf("verdicts (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestFilterIsSkippedWhereItHasNothingToDo(t *testing.T) {
	plain, vm := makePod("plain", "").Obj(), makePod("vm", "").Launcher("vm").Obj()
	nodes := []*corev1.Node{node("a", "cpu", "1")}
	tests := map[string]struct {
		nodes []*corev1.Node
		args  *config.VMUtilizationArgs
		pod   *corev1.Pod
		want  bool
	}{
		"no VM":                     {nodes: nodes, args: args(capped(100, 0)), pod: plain, want: true},
		"a VM, no caps":             {nodes: nodes, args: args(), pod: vm, want: true},
		"a VM, a cap":               {nodes: nodes, args: args(capped(0, 100)), pod: vm},
		"a VM, a cap of some node":  {nodes: []*corev1.Node{nodes[0], annotated(node("b"), "cpu=100")}, args: args(), pod: vm},
		"no VM, a cap of some node": {nodes: []*corev1.Node{nodes[0], annotated(node("b"), "cpu=100")}, args: args(), pod: plain, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for informers
			ctx := testContext(t)
			f, _, err := cluster{nodes: tc.nodes}.profile(ctx, t, tc.args)
			if err != nil {
				t.Fatal(err)
			}
			state := framework.NewCycleState()
			if _, status, _ := f.RunPreFilterPlugins(ctx, state, tc.pod); !status.IsSuccess() {
				t.Fatal(status.AsError())
			}
			if got := state.GetSkipFilterPlugins().Has(Name); got != tc.want {
				t.Errorf("Filter skipped: %t, want %t", got, tc.want)
			}
		})
	}
}

// A VM yields to those that were promised a host, and preemption sees what its victims leave.
func TestNominatedPodsAndPreemption(t *testing.T) {
	ctx := testContext(t)
	promised := makePod("promised", "").Launcher("promised").Obj()
	victim := makePod("victim", "b").Launcher("victim").Obj()
	nominator := queue.NewTestQueueWithObjects(ctx, nil, []runtime.Object{promised})
	c := cluster{
		nodes: []*corev1.Node{node("a", "cpu", "4", "memory", "64Gi"), node("b", "cpu", "4", "memory", "64Gi")},
		pods:  []*corev1.Pod{victim},
		vmis: []*kubevirtv1.VirtualMachineInstance{
			vmi("new", 2, "1Gi"), vmi("promised", 3, "1Gi"), vmi("victim", 3, "1Gi"),
		},
		options: []frameworkruntime.Option{frameworkruntime.WithPodNominator(nominator)},
	}
	f, hosts, err := c.profile(ctx, t, args(capped(100, 0)))
	if err != nil {
		t.Fatal(err)
	}
	pod := makePod("new", "").Launcher("new").Obj()
	if diff := cmp.Diff(map[string]string{"a": "", "b": tooManyVCPUs}, verdicts(ctx, t, f, pod, hosts)); diff != "" {
		t.Fatalf("verdicts before (-want +got):\n%s", diff)
	}
	info, err := framework.NewPodInfo(promised)
	if err != nil {
		t.Fatal(err)
	}
	nominator.Add(klog.FromContext(ctx), promised)
	f.AddNominatedPod(klog.FromContext(ctx), info, &fwk.NominatingInfo{NominatingMode: fwk.ModeOverride, NominatedNodeName: "a"})
	if diff := cmp.Diff(map[string]string{"a": tooManyVCPUs, "b": tooManyVCPUs}, verdicts(ctx, t, f, pod, hosts)); diff != "" {
		t.Errorf("verdicts with a nominated pod on a (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "", "b": tooManyVCPUs}, verdicts(ctx, t, f, promised, hosts)); diff != "" {
		t.Errorf("verdicts for the nominated pod itself (-want +got):\n%s", diff)
	}

	// As preemption tries it: on a copy of the host, without the victim, and with it again.
	state := framework.NewCycleState()
	if _, status, _ := f.RunPreFilterPlugins(ctx, state, pod); !status.IsSuccess() {
		t.Fatal(status.AsError())
	}
	for _, host := range hosts {
		if host.Node().Name != "b" {
			continue
		}
		trial := host.Snapshot()
		if err := trial.RemovePod(klog.FromContext(ctx), victim); err != nil {
			t.Fatal(err)
		}
		if got := verdict(f.RunFilterPlugins(ctx, state, pod, trial)); got != "" {
			t.Errorf("without the victim: %s", got)
		}
		again, err := framework.NewPodInfo(victim)
		if err != nil {
			t.Fatal(err)
		}
		trial.AddPodInfo(again)
		if got := verdict(f.RunFilterPlugins(ctx, state, pod, trial)); got != tooManyVCPUs {
			t.Errorf("with the victim back: %q, want %q", got, tooManyVCPUs)
		}
	}
}
