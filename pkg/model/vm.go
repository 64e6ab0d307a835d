// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"math"

	"k8s.io/apimachinery/pkg/types"
)

// VM is a virtual machine as the scheduler knows it.
type VM struct {
	// UID is that of the VirtualMachineInstance. A migrating VM has two launcher pods and one UID.
	UID types.UID
	// Size is what the guest sees.
	Size Size
	// Guessed is true when all that is known was derived from the launcher pod alone.
	Guessed bool
	// Namespace and Name are the VirtualMachineInstance's.
	Namespace, Name string
	// Host is where the guest runs, as far as KubeVirt has said; "" when it does not run.
	Host string
	// Wishes is what the guest asks of a host besides room; never nil.
	Wishes *Wishes
	// Move is the VM's last or present live migration.
	Move Move
	// Evacuating is the host that the VM is to leave, or "".
	Evacuating string
	// Eviction is the VM's own eviction strategy.
	Eviction Eviction
	// Migratable is true when KubeVirt says that the VM can be live-migrated.
	Migratable bool
	// Paused is true when KubeVirt says that the guest is paused.
	Paused bool
	// PreemptionNever is true when the VM's owner has said that it never has to go for a pod of higher priority.
	PreemptionNever bool
}

// OrdinaryMemory is the page size of guest memory that is not in huge pages.
const OrdinaryMemory int64 = 0

// Size is what a guest sees, whatever its launcher pod requests. What KubeVirt and qemu need for themselves besides (memory
// overhead, the CPU of an isolated emulator thread) is not in it: the pod requests that, and by these NodeResourcesFit counts it.
type Size struct {
	// VCPUs is sockets x cores x threads, at least 1.
	VCPUs int64
	// DedicatedCPUs is true when each vCPU is pinned to a host CPU of its own.
	DedicatedCPUs bool
	// Memory is the guest's memory in bytes.
	Memory int64
	// PageSize in bytes of the huge pages that back the guest, or OrdinaryMemory.
	PageSize int64
}

// Exceeds is true when a guest of size s needs more of something than one of the other size: a host on which it becomes
// the other has room that it did not have.
func (s Size) Exceeds(other Size) bool {
	return s.VCPUs > other.VCPUs || s.Memory > other.Memory ||
		s.DedicatedCPUs && !other.DedicatedCPUs || s.PageSize != other.PageSize
}

// Guests sums up what the guests of one host use.
type Guests struct {
	// SharedVCPUs is the number of vCPUs that share host CPUs.
	SharedVCPUs int64
	// DedicatedVCPUs is the number of vCPUs that own a host CPU each.
	DedicatedVCPUs int64
	// Memory is the guest memory in bytes, of one pool: one page size.
	Memory int64
}

// Plus adds a guest. Its memory counts only when it comes from the pool with the given page size. Sums
// saturate at the greatest int64; negative sizes count as nothing.
func (g Guests) Plus(s Size, pageSize int64) Guests {
	if s.DedicatedCPUs {
		g.DedicatedVCPUs = add(g.DedicatedVCPUs, s.VCPUs)
	} else {
		g.SharedVCPUs = add(g.SharedVCPUs, s.VCPUs)
	}
	if s.PageSize == pageSize {
		g.Memory = add(g.Memory, s.Memory)
	}
	return g
}

// Room is what one host offers to guests.
type Room struct {
	// MilliCPU is the host's allocatable CPU less the requests of pods that are no VMs, in thousandths of a CPU.
	MilliCPU int64
	// Memory in bytes of the one pool that is looked at: allocatable less the requests of pods that are no VMs.
	Memory int64
}

func add(a, b int64) int64 {
	b = max(b, 0)
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
