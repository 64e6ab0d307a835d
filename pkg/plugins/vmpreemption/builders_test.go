// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// makeNode returns a node of 16 CPUs and memory GiB, whose virt-handler has just given a sign of life.
func makeNode(name string, memory int) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: gib(memory), corev1.ResourcePods: resource.MustParse("110"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-" + name),
			Labels:      map[string]string{corev1.LabelHostname: name, corev1.LabelTopologyZone: "zone-" + name[:1], kubevirtv1.NodeSchedulable: "true"},
			Annotations: map[string]string{kubevirtv1.VirtHandlerHeartbeat: metav1.Now().UTC().Format("2006-01-02T15:04:05Z")},
		},
		Status: corev1.NodeStatus{
			Capacity: room, Allocatable: room, Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
}

func gib(n int) resource.Quantity { return *resource.NewQuantity(int64(n)<<30, resource.BinarySI) }

// podBuilder makes a pod that requests memory.
type podBuilder struct{ pod *corev1.Pod }

func makePod(name string, memory int) podBuilder {
	return podBuilder{&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: metav1.NamespaceDefault, Name: name, UID: types.UID("pod-" + name), Labels: map[string]string{}, Annotations: map[string]string{},
			CreationTimestamp: metav1.Now(),
		},
		Spec: corev1.PodSpec{
			SchedulerName: "virt-scheduler",
			Containers: []corev1.Container{{Name: "compute", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceMemory: gib(memory), corev1.ResourceCPU: resource.MustParse("100m")},
			}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}}
}

func (b podBuilder) Priority(p int32) podBuilder {
	b.pod.Spec.Priority = &p
	return b
}

func (b podBuilder) Scheduler(name string) podBuilder {
	b.pod.Spec.SchedulerName = name
	return b
}

func (b podBuilder) On(node string) podBuilder {
	b.pod.Spec.NodeName = node
	b.pod.Status.Phase = corev1.PodRunning
	started := metav1.Now()
	b.pod.Status.StartTime = &started
	return b
}

func (b podBuilder) Label(key, value string) podBuilder {
	b.pod.Labels[key] = value
	return b
}

func selecting(label, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}
}

// Apart keeps the pod out of the topology values of pods with a label.
func (b podBuilder) Apart(topologyKey, label, value string) podBuilder {
	b.pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: topologyKey, LabelSelector: selecting(label, value),
		}},
	}}
	return b
}

// Ending is a pod that is being deleted.
func (b podBuilder) Ending() podBuilder {
	now := metav1.Now()
	b.pod.DeletionTimestamp = &now
	return b
}

func (b podBuilder) Obj() *corev1.Pod { return b.pod }

// vmBuilder makes a VirtualMachineInstance and its launcher pod.
type vmBuilder struct {
	podBuilder
	vmi *kubevirtv1.VirtualMachineInstance
}

// makeVM returns a VM that can be migrated, of priority 10.
func makeVM(name string, memory int) vmBuilder {
	guest := gib(memory)
	vmi := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name, UID: types.UID("vmi-" + name)}}
	vmi.Spec.Domain.CPU = &kubevirtv1.CPU{Sockets: 1, Cores: 1, Threads: 1}
	vmi.Spec.Domain.Memory = &kubevirtv1.Memory{Guest: &guest}
	vmi.Status.Phase = kubevirtv1.Running
	b := vmBuilder{makePod("virt-launcher-"+name, memory).Priority(10), vmi}
	b.Label(kubevirtv1.AppLabel, "virt-launcher").Label(kubevirtv1.CreatedByLabel, string(vmi.UID))
	return b.Migratable(true).Strategy(kubevirtv1.EvictionStrategyLiveMigrate)
}

func (b vmBuilder) On(node string) vmBuilder {
	b.podBuilder = b.podBuilder.On(node)
	b.vmi.Status.NodeName = node
	return b
}

func (b vmBuilder) Ending() vmBuilder {
	b.podBuilder = b.podBuilder.Ending()
	return b
}

func (b vmBuilder) Strategy(s kubevirtv1.EvictionStrategy) vmBuilder {
	b.vmi.Spec.EvictionStrategy = &s
	if s == "" {
		b.vmi.Spec.EvictionStrategy = nil
	}
	return b
}

func (b vmBuilder) Migratable(yes bool) vmBuilder {
	status := corev1.ConditionFalse
	if yes {
		status = corev1.ConditionTrue
	}
	b.vmi.Status.Conditions = []kubevirtv1.VirtualMachineInstanceCondition{{Type: kubevirtv1.VirtualMachineInstanceIsMigratable, Status: status}}
	return b
}

func (b vmBuilder) Priority(p int32) vmBuilder {
	b.podBuilder = b.podBuilder.Priority(p)
	return b
}

func (b vmBuilder) Scheduler(name string) vmBuilder {
	b.podBuilder = b.podBuilder.Scheduler(name)
	return b
}

func (b vmBuilder) Annotation(key, value string) vmBuilder {
	b.vmi.Annotations = map[string]string{key: value}
	return b
}

func (b vmBuilder) Paused() vmBuilder {
	b.vmi.Status.Conditions = append(b.vmi.Status.Conditions, kubevirtv1.VirtualMachineInstanceCondition{Type: kubevirtv1.VirtualMachineInstancePaused, Status: corev1.ConditionTrue})
	return b
}

// Attached returns a pod that attaches a disk to the VM.
func (b vmBuilder) Attached(memory int) podBuilder {
	p := makePod("hp-volume-"+b.vmi.Name, memory).On(b.pod.Spec.NodeName).Priority(10).Label(kubevirtv1.AppLabel, "hotplug-disk")
	p.pod.OwnerReferences = []metav1.OwnerReference{{Kind: "Pod", Name: b.pod.Name, UID: b.pod.UID}}
	return p
}
