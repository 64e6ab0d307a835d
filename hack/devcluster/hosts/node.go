// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

const (
	// ManagedLabel makes KWOK play the kubelet of a node: it runs its pods as
	// long as the label is there.
	ManagedLabel = "kwok"
	// ManagedValue is the label's value.
	ManagedValue = "managed"

	// What a kubelet keeps for itself and the system.
	reservedMilliCPU = 100
	reservedMemory   = 512 << 20
	podsPerNode      = 250
	// devicesPerNode is what virt-handler's device plugins announce.
	devicesPerNode = 1000
)

// Node returns the Node object of the index-th machine as its kubelet registers
// it; the kubelet's version is that of the cluster.
func Node(h simhost.Hardware, index int, kubeletVersion string) *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(h.CPUs), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(h.MemoryBytes, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(podsPerNode, resource.DecimalSI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(1<<40, resource.BinarySI),
	}
	for _, device := range []string{"kvm", "tun", "vhost-net"} {
		capacity[corev1.ResourceName("devices.kubevirt.io/"+device)] = *resource.NewQuantity(devicesPerNode, resource.DecimalSI)
	}
	allocatable := capacity.DeepCopy()
	allocatable[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(h.CPUs)*1000-reservedMilliCPU, resource.DecimalSI)
	allocatable[corev1.ResourceMemory] = *resource.NewQuantity(max(h.MemoryBytes-reservedMemory, 0), resource.BinarySI)

	return &corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{
			Name: h.Name,
			Labels: map[string]string{
				ManagedLabel:                     ManagedValue,
				corev1.LabelHostname:             h.Name,
				corev1.LabelArchStable:           "amd64",
				corev1.LabelOSStable:             "linux",
				corev1.LabelTopologyZone:         h.Zone,
				corev1.LabelTopologyRegion:       "region-1",
				"node-role.kubernetes.io/worker": "",
			},
		},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: allocatable,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: address(index)},
				{Type: corev1.NodeHostName, Address: h.Name},
			},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID:               uuid("machine", h.Name),
				SystemUUID:              h.SystemUUID,
				BootID:                  h.InitialBootID,
				KernelVersion:           "6.12.0-sim",
				OSImage:                 "simulated by KWOK",
				ContainerRuntimeVersion: "kwok://0.8.0",
				KubeletVersion:          kubeletVersion,
				OperatingSystem:         "linux",
				Architecture:            "amd64",
			},
		},
	}
}

// address returns an address from the block that RFC 2544 sets aside for
// benchmarks: nothing answers there.
func address(index int) string {
	return fmt.Sprintf("198.18.%d.%d", (index+1)/250, (index+1)%250+1)
}
