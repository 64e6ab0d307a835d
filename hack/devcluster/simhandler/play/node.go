// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

const (
	// ManagedLabel with ManagedValue on a node makes KWOK play its kubelet.
	ManagedLabel = "kwok"
	// ManagedValue is the label's value.
	ManagedValue = "managed"

	// attachAnnotation is a kubelet's word that it leaves attaching to the controller.
	attachAnnotation = "volumes.kubernetes.io/controller-managed-attach-detach"

	// devices is how many guests a host has devices for; the number is KubeVirt's default.
	devices = 1000
)

// NodeView is what is known of one node.
type NodeView struct {
	Now      time.Time
	Timing   Timing
	Node     *corev1.Node
	Machine  simhost.HostState
	Hardware simhost.Hardware
	// Attached is the boot id with which the kubelet last joined, empty if it never did.
	Attached string
	// LastBeat is virt-handler's last heartbeat, zero when it was started since.
	LastBeat time.Time
	// Volumes are the unique names of the attachable volumes of the pods on the node, sorted.
	Volumes []corev1.UniqueVolumeName
}

// NodeStep is what the agents of a node write, each with its own name.
type NodeStep struct {
	// Detach takes the node away from KWOK: its kubelet is silent.
	Detach bool
	// Attach gives it to KWOK, after Booted was dealt with.
	Attach bool
	// Booted asks to report the machine's boot id and, unless First, to fail the pods of the boot before.
	Booted bool
	First  bool
	// Registered is the node with the annotations that its kubelet registers it with, nil when they are there.
	Registered *corev1.Node
	// Status is the node with its status as the kubelet wants it, nil when it is right.
	Status *corev1.Node
	// Labelled is the node with labels and annotations as virt-handler wants them, nil when they are right.
	Labelled *corev1.Node
	After    time.Duration
}

// NextNode is what kubelet and virt-handler do about their node object. The kubelet joins by itself; that KWOK stands
// for it is the simulation's affair.
func NextNode(v NodeView) NodeStep {
	var step NodeStep
	managed := v.Node.Labels[ManagedLabel] == ManagedValue
	if KubeletActs(v.Machine) {
		step.Booted = v.Attached != v.Machine.BootID
		step.First = v.Attached == ""
		step.Attach = !managed
		step.Registered = kubeletAnnotations(v)
		step.Status = kubeletStatus(v)
	} else {
		step.Detach = managed
	}
	if HandlerActs(v.Machine) {
		due := v.LastBeat.IsZero() || v.Now.Sub(v.LastBeat) >= v.Timing.Heartbeat
		step.Labelled = handlerLabels(v, due)
		step.After = v.Timing.Heartbeat
		if !due {
			step.After -= v.Now.Sub(v.LastBeat)
		}
	}
	return step
}

func kubeletAnnotations(v NodeView) *corev1.Node {
	if v.Node.Annotations[attachAnnotation] == "true" {
		return nil
	}
	node := v.Node.DeepCopy()
	if node.Annotations == nil {
		node.Annotations = map[string]string{}
	}
	node.Annotations[attachAnnotation] = "true"
	return node
}

// kubeletStatus is the node's status as its kubelet reports it: identity, devices, volumes in use.
func kubeletStatus(v NodeView) *corev1.Node {
	node := v.Node.DeepCopy()
	info := &node.Status.NodeInfo
	info.BootID, info.SystemUUID = v.Machine.BootID, v.Hardware.SystemUUID
	changed := *info != v.Node.Status.NodeInfo
	for _, list := range []*corev1.ResourceList{&node.Status.Capacity, &node.Status.Allocatable} {
		if *list == nil {
			*list = corev1.ResourceList{}
		}
		for _, name := range []corev1.ResourceName{
			"devices.kubevirt.io/kvm", "devices.kubevirt.io/tun", "devices.kubevirt.io/vhost-net",
		} {
			if _, ok := (*list)[name]; !ok {
				(*list)[name] = *resource.NewQuantity(devices, resource.DecimalSI)
				changed = true
			}
		}
	}
	if !slices.Equal(node.Status.VolumesInUse, v.Volumes) {
		node.Status.VolumesInUse = slices.Clone(v.Volumes)
		changed = true
	}
	if !changed {
		return nil
	}
	return node
}

// handlerLabels is the node as virt-handler's labeller and, when due, its heartbeat want it.
func handlerLabels(v NodeView, due bool) *corev1.Node {
	node := v.Node.DeepCopy()
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	if node.Annotations == nil {
		node.Annotations = map[string]string{}
	}
	maps.Copy(node.Labels, Labels(v.Hardware.Processor))
	if due {
		node.Labels[virtv1.NodeSchedulable] = "true"
		node.Annotations[virtv1.VirtHandlerHeartbeat] = v.Now.UTC().Format(time.RFC3339)
	}
	if maps.Equal(node.Labels, v.Node.Labels) && maps.Equal(node.Annotations, v.Node.Annotations) {
		return nil
	}
	return node
}
