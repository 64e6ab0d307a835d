// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Launchers says, of a launcher pod on a host, what it holds, and whether the VM is counted there.
type Launchers interface {
	// Counts is false for a launcher whose VM is counted elsewhere.
	Counts(vm types.UID, pod *corev1.Pod) bool
	// SizeOf returns what the guest sees.
	SizeOf(vm types.UID, pod *corev1.Pod) model.Size
}

// RoomAndGuests returns what a host offers to guests and what its guests use, of CPU and of the memory in pages of
// pageSize. Assumed pods are among the host's pods. Pods that are no VMs take room away, by their requests: to a
// guest it is all the same why a CPU is busy. The cost is one pass over the host's pods.
func RoomAndGuests(host fwk.NodeInfo, pageSize int64, launchers Launchers) (model.Room, model.Guests) {
	var guests model.Guests
	room := roomOf(host.GetAllocatable(), pageSize)
	for _, info := range host.GetPods() {
		pod := info.GetPod()
		if uid, ok := VMOf(pod); ok {
			if launchers.Counts(uid, pod) {
				guests = guests.Plus(launchers.SizeOf(uid, pod), pageSize)
			}
			continue
		}
		taken := roomOf(info.CalculateResource().Resource, pageSize) // computed when the pod was added
		room.MilliCPU -= taken.MilliCPU
		room.Memory -= taken.Memory
	}
	return model.Room{MilliCPU: max(room.MilliCPU, 0), Memory: max(room.Memory, 0)}, guests
}

func roomOf(r fwk.Resource, pageSize int64) model.Room {
	room := model.Room{MilliCPU: r.GetMilliCPU(), Memory: r.GetMemory()}
	if pageSize != model.OrdinaryMemory {
		room.Memory = r.GetScalarResources()[hugePages(pageSize)]
	}
	return room
}

// hugePages names the resource of huge pages of one size. Nodes and pods may spell a size in more than one way
// ("1Gi", "1024Mi"); kubelet and KubeVirt both use the shortest.
func hugePages(pageSize int64) corev1.ResourceName {
	return corev1.ResourceName(corev1.ResourceHugePagesPrefix + resource.NewQuantity(pageSize, resource.BinarySI).String())
}
