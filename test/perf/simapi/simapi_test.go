// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

func node(name, cpu string) *corev1.Node {
	n := &corev1.Node{}
	n.Name, n.UID = name, types.UID(name)
	n.Labels = map[string]string{corev1.LabelHostname: name, kubevirtv1.NodeSchedulable: "true"}
	n.Annotations = map[string]string{kubevirtv1.VirtHandlerHeartbeat: metav1.Now().Format("2006-01-02T15:04:05Z")}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	n.Status.Capacity = n.Status.Allocatable
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return n
}

func vm(name, schedulerName, cpu string, cores uint32) (*kubevirtv1.VirtualMachineInstance, *corev1.Pod) {
	vmi := &kubevirtv1.VirtualMachineInstance{}
	vmi.Name, vmi.Namespace, vmi.UID = name, metav1.NamespaceDefault, types.UID("vmi-"+name)
	guest := resource.MustParse("1Gi")
	vmi.Spec.Domain.CPU = &kubevirtv1.CPU{Cores: cores}
	vmi.Spec.Domain.Memory = &kubevirtv1.Memory{Guest: &guest}
	pod := &corev1.Pod{}
	pod.Name, pod.Namespace, pod.UID = name, metav1.NamespaceDefault, types.UID("pod-"+name)
	pod.Labels = map[string]string{kubevirtv1.AppLabel: "virt-launcher", kubevirtv1.CreatedByLabel: string(vmi.UID)}
	pod.Spec.SchedulerName = schedulerName
	pod.Spec.Containers = []corev1.Container{{Name: "compute", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("1Gi"),
	}}}}
	return vmi, pod
}

func profiles(t *testing.T) []schedulerconfig.KubeSchedulerProfile {
	t.Helper()
	shipped, err := os.ReadFile("../../../manifests/profiles/kubescheduler-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, err := simapi.LoadConfig(shipped)
	if err != nil {
		t.Fatal(err)
	}
	stock, err := simapi.StockProfile("stock")
	if err != nil {
		t.Fatal(err)
	}
	return append(config.Profiles, stock)
}

func start(ctx context.Context, t *testing.T, api *simapi.API) *simapi.Scheduler {
	t.Helper()
	s, err := api.Start(ctx, simapi.Config{Profiles: profiles(t), Registry: plugins.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the scheduler knows of VMIs shows in where it puts VMs: with the pods' requests all alike, only guests tell hosts apart.
func TestVMIsAreKnownBeforeTheirPodIsScheduled(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	api := simapi.New()
	for i := range 3 {
		api.SetNode(node(fmt.Sprintf("node-%d", i), "16"))
	}
	for i, cores := range []uint32{16, 2, 8} {
		vmi, pod := vm(fmt.Sprintf("there-%d", i), "virt-scheduler", "100m", cores)
		pod.Spec.NodeName = fmt.Sprintf("node-%d", i)
		api.SetVMI(vmi)
		api.SetPod(pod)
	}
	s, err := api.Start(ctx, simapi.Config{Profiles: profiles(t), Registry: plugins.NewRegistry(), Parallelism: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"node-1", "node-1", "node-2", "node-1"} { // vCPUs before: 16 2 8, 16 6 8, 16 10 8, 16 10 12
		vmi, pod := vm(fmt.Sprintf("new-%d", i), "virt-scheduler", "100m", 4)
		api.SetVMI(vmi)
		outcome, err := s.Schedule(ctx, pod)
		if err != nil {
			t.Fatal(err)
		}
		if outcome.Node != want {
			t.Errorf("VM %d: on %q, want %q: %+v", i, outcome.Node, want, outcome)
		}
	}
	// Deleted, node-0 is the emptiest.
	api.DeletePod(metav1.NamespaceDefault, "there-0")
	api.DeleteVMI(metav1.NamespaceDefault, "there-0")
	vmi, pod := vm("last", "virt-scheduler", "100m", 4)
	api.SetVMI(vmi)
	if outcome, err := s.Schedule(ctx, pod); err != nil || outcome.Node != "node-0" {
		t.Errorf("after the deletion: %+v, %v; want node-0", outcome, err)
	}
}

func TestUnschedulable(t *testing.T) {
	for _, profile := range []string{"stock", "virt-scheduler", "virt-scheduler-no-scoring"} {
		t.Run(profile, func(t *testing.T) {
			_, ctx := ktesting.NewTestContext(t)
			api := simapi.New()
			api.SetNode(node("small", "1"))
			s := start(ctx, t, api)
			vmi, pod := vm("big", profile, "2", 2)
			api.SetVMI(vmi)
			outcome, err := s.Schedule(ctx, pod)
			if err != nil {
				t.Fatal(err)
			}
			if outcome.Bound() || outcome.Status.Code() != fwk.Unschedulable || outcome.Diagnosis == nil {
				t.Fatalf("a pod that fits nowhere: %+v", outcome)
			}
			if status := outcome.Diagnosis.NodeToStatus.Get("small"); status.Plugin() != "NodeResourcesFit" {
				t.Errorf("node small: %v", status)
			}
			if now, _ := api.Pod(pod.Namespace, pod.Name); len(now.Status.Conditions) != 1 || now.Status.Conditions[0].Reason != corev1.PodReasonUnschedulable {
				t.Errorf("conditions of the pod: %+v", now.Status.Conditions)
			}
			if _, ok, err := s.Next(ctx); ok || err != nil {
				t.Errorf("Next() = %t, %v, with nothing that could be scheduled", ok, err)
			}
			// A pod that waits does not hold up the next one, and can be deleted.
			api.DeletePod(pod.Namespace, pod.Name)
			vmi, pod = vm("small", profile, "500m", 1)
			api.SetVMI(vmi)
			if outcome, err := s.Schedule(ctx, pod); err != nil || outcome.Node != "small" || outcome.Evaluated != 1 || outcome.Feasible != 1 {
				t.Errorf("a pod that fits: %+v, %v", outcome, err)
			}
		})
	}
}

func TestSchedulerHearsOfNodes(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	api := simapi.New()
	api.SetNode(node("a", "1"))
	s := start(ctx, t, api)
	api.SetNode(node("b", "4"))
	vmi, pod := vm("v", "virt-scheduler", "2", 2)
	api.SetVMI(vmi)
	if outcome, err := s.Schedule(ctx, pod); err != nil || outcome.Node != "b" {
		t.Errorf("after a node came: %+v, %v", outcome, err)
	}
	api.DeletePod(pod.Namespace, pod.Name)
	api.DeleteNode("b")
	_, pod = vm("w", "stock", "2", 2)
	if outcome, err := s.Schedule(ctx, pod); err != nil || outcome.Bound() {
		t.Errorf("after it went: %+v, %v", outcome, err)
	}
}
