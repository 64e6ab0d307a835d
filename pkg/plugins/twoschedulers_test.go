// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plugins_test

import (
	"context"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2/ktesting"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// cluster is one of several in the process, with a scheduler of its own. Names and UIDs are the same in all of them.
type cluster struct {
	*simapi.API
	*simapi.Scheduler
}

func startCluster(ctx context.Context, t *testing.T, registry frameworkruntime.Registry, vcpus map[string]uint32) cluster {
	t.Helper()
	shipped, err := os.ReadFile("../../manifests/profiles/kubescheduler-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, err := simapi.LoadConfig(shipped)
	if err != nil {
		t.Fatal(err)
	}
	c := cluster{API: simapi.New()}
	for _, host := range []string{"a", "b", "c"} {
		c.setHost(host, true)
		c.setVM("on-"+host, vcpus[host])
		pod := launcher("on-" + host)
		pod.Spec.NodeName = host
		c.SetPod(pod)
	}
	c.Scheduler, err = c.Start(ctx, simapi.Config{Profiles: config.Profiles, Registry: registry, Parallelism: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// setHost makes one with 16 CPUs, with a virt-handler that runs VMs or not.
func (c cluster) setHost(name string, runsVMs bool) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID(name), Labels: map[string]string{corev1.LabelHostname: name, kubevirtv1.NodeSchedulable: "false"},
		Annotations: map[string]string{kubevirtv1.VirtHandlerHeartbeat: "2026-01-01T00:00:00Z"},
	}}
	if runsVMs {
		n.Labels[kubevirtv1.NodeSchedulable] = "true"
	}
	n.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse("16"), "memory": resource.MustParse("64Gi"), "pods": resource.MustParse("110")}
	c.SetNode(n)
}

func (c cluster) setVM(name string, vcpus uint32) {
	vmi := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID(name)}}
	vmi.Spec.Domain.CPU = &kubevirtv1.CPU{Cores: vcpus}
	c.SetVMI(vmi)
}

// launcher makes the launcher pod of a VM. Of the VM's size it tells nothing: all are equal.
func launcher(vm string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: vm, Namespace: metav1.NamespaceDefault, UID: types.UID("pod-" + vm),
		Labels: map[string]string{kubevirtv1.AppLabel: "virt-launcher", kubevirtv1.CreatedByLabel: vm},
	}}
	pod.Spec.SchedulerName = "virt-scheduler"
	pod.Spec.Containers = []corev1.Container{{Name: "compute", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		"cpu": resource.MustParse("100m"), "memory": resource.MustParse("1Gi"),
	}}}}
	return pod
}

// place says where a VM is placed that then goes again.
func (c cluster) place(ctx context.Context, t *testing.T) string {
	t.Helper()
	c.setVM("new", 1)
	outcome, err := c.Schedule(ctx, launcher("new"))
	if err != nil {
		t.Fatal(err)
	}
	c.DeletePod(metav1.NamespaceDefault, "new")
	c.DeleteVMI(metav1.NamespaceDefault, "new")
	if err := c.Scheduler.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	return outcome.Node
}

// Two schedulers that have their plugins from one registry: each decides by the VirtualMachineInstances, pods and nodes of its own
// cluster, though names and UIDs are the same in both.
func TestTwoSchedulersOfOneRegistry(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	registry := plugins.NewRegistry()
	first := startCluster(ctx, t, registry, map[string]uint32{"a": 2, "b": 8, "c": 16})
	second := startCluster(ctx, t, registry, map[string]uint32{"a": 16, "b": 8, "c": 2})
	steps := []struct {
		name          string
		change        func()
		first, second string
	}{
		{name: "as they were at the start", change: func() {}, first: "a", second: "c"},
		{name: "a guest grows in the first", change: func() { first.setVM("on-a", 32) }, first: "b", second: "c"},
		{name: "a guest shrinks in the second", change: func() { second.setVM("on-b", 1) }, first: "b", second: "b"},
		{name: "a virt-handler stops in the second", change: func() { second.setHost("b", false) }, first: "b", second: "c"},
		{name: "a VM goes in the first", change: func() {
			first.DeletePod(metav1.NamespaceDefault, "on-c")
			first.DeleteVMI(metav1.NamespaceDefault, "on-c")
		}, first: "c", second: "c"},
		{name: "and in the second", change: func() {
			second.DeletePod(metav1.NamespaceDefault, "on-a")
			second.DeleteVMI(metav1.NamespaceDefault, "on-a")
		}, first: "c", second: "a"},
	}
	for _, step := range steps {
		step.change()
		if got := first.place(ctx, t); got != step.first {
			t.Errorf("%s: the first scheduler takes %q, want %q", step.name, got, step.first)
		}
		if got := second.place(ctx, t); got != step.second {
			t.Errorf("%s: the second scheduler takes %q, want %q", step.name, got, step.second)
		}
	}
}
