// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/kubernetes/pkg/scheduler"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi/batching"
)

// configuration of a scheduler whose only opinions are those of the plugin, and whether a pod fits by its requests.
const configuration = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
  - schedulerName: virt-scheduler
    plugins:
      multiPoint:
        disabled: [{name: "*"}]
        enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: VMUtilization}]
      preFilter: {enabled: [{name: NodeResourcesFit}]}
      filter: {enabled: [{name: NodeResourcesFit}]}
    pluginConfig:
      - name: VMUtilization
        args: %s
`

// sim is a real scheduler on a simulated API.
type sim struct {
	*simapi.API
	*simapi.Scheduler
}

func newSim(ctx context.Context, t *testing.T, args string, nodes ...*corev1.Node) *sim {
	t.Helper()
	loaded, err := simapi.LoadConfig(fmt.Appendf(nil, configuration, args))
	if err != nil {
		t.Fatal(err)
	}
	api := simapi.New()
	for _, n := range nodes {
		api.SetNode(n)
	}
	s, err := api.Start(ctx, simapi.Config{
		Profiles: loaded.Profiles, Registry: plugins.NewRegistry(), Parallelism: 1, PercentageOfNodesToScore: 100,
		Options: []scheduler.Option{scheduler.WithPodInitialBackoffSeconds(0), scheduler.WithPodMaxBackoffSeconds(0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &sim{api, s}
}

func host(name, cpu, pods string, annotations map[string]string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Annotations: annotations}}
	n.Status.Allocatable = corev1.ResourceList{
		"cpu": resource.MustParse(cpu), "memory": resource.MustParse("64Gi"), "pods": resource.MustParse(pods),
	}
	return n
}

func pod(name string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}}
	p.Spec.SchedulerName = "virt-scheduler"
	p.Spec.Containers = []corev1.Container{{Name: "compute"}}
	return p
}

// place makes a VM, the VirtualMachineInstance first, and returns where it was put.
func (s *sim) place(ctx context.Context, t *testing.T, name string, vcpus uint32) string {
	t.Helper()
	return s.schedule(ctx, t, s.launcher(name, vcpus))
}

// run makes a VM that is on a host already.
func (s *sim) run(host string, vcpus uint32) {
	p := s.launcher("vm-on-"+host, vcpus)
	p.Spec.NodeName = host
	s.SetPod(p)
}

func (s *sim) launcher(name string, vcpus uint32) *corev1.Pod {
	v := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}}
	v.Spec.Domain.CPU = &kubevirtv1.CPU{Cores: vcpus}
	s.SetVMI(v)
	p := pod(name)
	p.Labels = map[string]string{"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": name}
	return p
}

func (s *sim) schedule(ctx context.Context, t *testing.T, p *corev1.Pod) string {
	t.Helper()
	outcome, err := s.Schedule(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return outcome.Node
}

// Launcher pods of VMs of different sizes are equal. Each host has a VM of one vCPU, so that it is in use, and takes one pod
// more: then upstream takes, for the next one of the same signature, the host that was second best for the one before.
func TestBatchingPlacesAsWithoutIt(t *testing.T) {
	placements := func(ctx context.Context, t *testing.T) map[string]string {
		t.Helper()
		var nodes []*corev1.Node
		for i, cpus := range []string{"2", "3", "4", "5", "7", "9", "13", "17", "25", "33", "49", "65"} {
			nodes = append(nodes, host(fmt.Sprintf("host-%d", i), cpus, "2", nil))
		}
		s := newSim(ctx, t, "{strategy: Most, resources: [{name: vcpu}], cpuOvercommitPercent: 100}", nodes...)
		for _, node := range nodes {
			s.run(node.Name, 1)
		}
		if err := s.Scheduler.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		vms := map[string]string{}
		for i, vcpus := range []uint32{1, 16, 2, 48, 3, 3, 12, 6} {
			name := fmt.Sprintf("vm-%d-of-%d", i, vcpus)
			vms[name] = s.place(ctx, t, name, vcpus)
		}
		for i := range 3 {
			if s.schedule(ctx, t, pod(fmt.Sprintf("plain-%d", i))) == "" {
				t.Errorf("plain pod %d was not placed", i)
			}
		}
		return vms
	}
	want := map[string]string{
		"vm-0-of-1": "host-0", "vm-1-of-16": "host-7", "vm-2-of-2": "host-1", "vm-3-of-48": "host-10", "vm-4-of-3": "host-2",
		"vm-5-of-3": "host-3", "vm-6-of-12": "host-6", "vm-7-of-6": "host-4",
	}
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprintf("batching %t", on), func(t *testing.T) {
			var got map[string]string
			batched := batching.Run(t, on, "virt-scheduler", func(ctx context.Context) { got = placements(ctx, t) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("placements (-want +got):\n%s", diff)
			}
			if (batched > 0) != on { // the plain pods
				t.Errorf("%v pods were batched", batched)
			}
		})
	}
}

// A VM that waits because of a cap is tried again by the scheduler's own queue when something happens that can help, and
// only then.
func TestWaitingVMsAreTriedAgain(t *testing.T) {
	annotation := func(text string) map[string]string { return map[string]string{config.OvercommitAnnotation: text} }
	tests := map[string]struct {
		change func(*sim)
		want   string // where the VM that waited is put; "" when it is not tried
	}{
		"a guest leaves":             {change: func(s *sim) { s.DeletePod("default", "running") }, want: "a"},
		"the cap is raised":          {change: func(s *sim) { s.SetNode(host("a", "4", "10", annotation("cpu=200"))) }, want: "a"},
		"the host gets more CPUs":    {change: func(s *sim) { s.SetNode(host("a", "8", "10", nil)) }, want: "a"},
		"a host comes":               {change: func(s *sim) { s.SetNode(host("b", "4", "10", nil)) }, want: "b"},
		"a host comes, too small":    {change: func(s *sim) { s.SetNode(host("b", "3", "10", nil)) }},
		"the cap is lowered":         {change: func(s *sim) { s.SetNode(host("a", "4", "10", annotation("cpu=50"))) }},
		"the cap cannot be read":     {change: func(s *sim) { s.SetNode(host("a", "4", "10", annotation("cpu=lots"))) }},
		"a heartbeat of the host":    {change: func(s *sim) { s.SetNode(host("a", "4", "10", map[string]string{"kubevirt.io/heartbeat": "2"})) }},
		"a pod that is no VM leaves": {change: func(s *sim) { s.DeletePod("default", "plain") }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, ctx := ktesting.NewTestContext(t)
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			s := newSim(ctx, t, "{maxCPUOvercommitPercent: 100}", host("a", "4", "10", nil))
			if got := s.schedule(ctx, t, pod("plain")); got != "a" {
				t.Fatalf("the plain pod is on %q", got)
			}
			if got := s.place(ctx, t, "running", 4); got != "a" {
				t.Fatalf("the first VM is on %q", got)
			}
			if got := s.place(ctx, t, "waiting", 4); got != "" {
				t.Fatalf("the second VM is on %q, beyond the cap", got)
			}
			tc.change(s)
			outcome, tried, err := s.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if tried != (tc.want != "") || outcome.Node != tc.want {
				t.Errorf("tried again: %t, put on %q, want %q", tried, outcome.Node, tc.want)
			}
		})
	}
}
