// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// RoomOf returns the CPU, and the memory in pages of one size, among a host's resources, such as those that it can
// allocate.
func RoomOf(r fwk.Resource, pageSize int64) model.Room {
	room := model.Room{MilliCPU: r.GetMilliCPU(), Memory: r.GetMemory()}
	if pageSize != model.OrdinaryMemory {
		room.Memory = r.GetScalarResources()[hugePages(pageSize)]
	}
	return room
}

// hugePages names the resource of huge pages of one size. Nodes may spell a size in more than one way ("1Gi", "1024Mi");
// kubelet and KubeVirt both use the shortest.
func hugePages(pageSize int64) corev1.ResourceName {
	return corev1.ResourceName(corev1.ResourceHugePagesPrefix + resource.NewQuantity(pageSize, resource.BinarySI).String())
}
