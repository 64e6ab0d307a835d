// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// SizeFromVMI returns what the guest of a VirtualMachineInstance sees. While something is hot-plugged the spec says
// what is to be and the status what is: the greater counts, as the host has to hold both.
func SizeFromVMI(vmi *kubevirtv1.VirtualMachineInstance) model.Size {
	size := model.Size{
		VCPUs:  max(vcpusInSpec(&vmi.Spec.Domain), vcpusInStatus(&vmi.Status), 1),
		Memory: memoryInSpec(&vmi.Spec.Domain),
	}
	if cpu := vmi.Spec.Domain.CPU; cpu != nil {
		size.DedicatedCPUs = cpu.DedicatedCPUPlacement
	}
	if memory := vmi.Spec.Domain.Memory; memory != nil && memory.Hugepages != nil {
		// A page size that is no quantity is refused by KubeVirt's webhook; it would count as ordinary memory.
		if page, err := resource.ParseQuantity(memory.Hugepages.PageSize); err == nil {
			size.PageSize = page.Value()
		}
	}
	if memory := vmi.Status.Memory; memory != nil && memory.GuestCurrent != nil {
		size.Memory = max(size.Memory, memory.GuestCurrent.Value())
	}
	return size
}

// vcpusInSpec follows what KubeVirt does with a topology that is not set or not whole.
func vcpusInSpec(domain *kubevirtv1.DomainSpec) int64 {
	if cpu := domain.CPU; cpu != nil && (cpu.Sockets != 0 || cpu.Cores != 0 || cpu.Threads != 0) {
		return topology(cpu.Sockets, cpu.Cores, cpu.Threads)
	}
	if limit, ok := domain.Resources.Limits[corev1.ResourceCPU]; ok {
		return limit.Value()
	}
	return domain.Resources.Requests.Cpu().Value()
}

func vcpusInStatus(status *kubevirtv1.VirtualMachineInstanceStatus) int64 {
	if cpu := status.CurrentCPUTopology; cpu != nil {
		return topology(cpu.Sockets, cpu.Cores, cpu.Threads)
	}
	return 0
}

func topology(sockets, cores, threads uint32) int64 {
	return int64(max(sockets, 1)) * int64(max(cores, 1)) * int64(max(threads, 1))
}

// memoryInSpec follows KubeVirt: the guest memory, else the memory request, else the memory limit.
func memoryInSpec(domain *kubevirtv1.DomainSpec) int64 {
	if domain.Memory != nil && domain.Memory.Guest != nil {
		return domain.Memory.Guest.Value()
	}
	if request, ok := domain.Resources.Requests[corev1.ResourceMemory]; ok {
		return request.Value()
	}
	return domain.Resources.Limits.Memory().Value()
}
