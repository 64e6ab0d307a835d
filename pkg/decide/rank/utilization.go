// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package rank

import (
	"math"
	"math/bits"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Full is the utilisation, in millionths, at which a host counts as full.
const Full int64 = 1_000_000

// maxUtilization bounds the utilisation of one resource, so that sums cannot overflow: 1000 times full. A host that
// has nothing of what a guest needs is utilised that much.
const maxUtilization = 1000 * Full

// Strategy says which of two hosts is the better one.
type Strategy int

const (
	// Least prefers the host that is utilised less, halfway between without the VM and with it. Utilisation beyond full
	// goes on counting.
	Least Strategy = iota
	// Most prefers the host that is utilised more with the VM, up to full. A host without any VM comes after those that
	// have one, and of such the one first that the VM fills least: the largest, on which most others will find room. A
	// host that would be over full in any resource comes after all that would not, and the less it is over full the better.
	Most
)

// Weights are the relative weights of what counts in a host's utilisation, 0 to 100 each, not all 0.
type Weights struct {
	// VCPU and GuestMemory are what guests see.
	VCPU, GuestMemory int64
	// CPURequests and MemoryRequests are what pods request, as NodeResourcesFit counts it.
	CPURequests, MemoryRequests int64
}

// Policy is how hosts are to be compared.
type Policy struct {
	Strategy Strategy
	Weights  Weights
	// CPUOvercommit is the number of vCPUs per 100 host CPUs at which a host is full, at least 1.
	CPUOvercommit int64
	// MemoryOvercommit is the guest memory in percent of the host's at which a host is full, at least 1. It does not
	// hold for huge pages.
	MemoryOvercommit int64
}

// Usage is a host, without the VM to be placed and with it.
type Usage struct {
	// Room for guests, of CPU and of memory in pages of PageSize.
	Room     model.Room
	PageSize int64
	// Allocatable is what all pods may request.
	Allocatable Requests
	// Without the VM and With it: what guests use and pods request.
	Without, With Load
	// Empty is true when the host has no other VM.
	Empty bool
}

// Load is what guests use, memory in pages of one size, and what all pods request.
type Load struct {
	Guests    model.Guests
	Requested Requests
}

// Requests is an amount of what pods request.
type Requests struct {
	// MilliCPU is in thousandths of a CPU.
	MilliCPU int64
	// Memory in bytes, without huge pages.
	Memory int64
}

// Value returns how good a host is for the VM: greater is better. Only the order and the difference of values of one
// policy mean something, a difference being one of utilisation, in millionths. Values lie between -maxUtilization-Full
// and Full.
//
// Why Least looks halfway: what a host adds to the variance of utilisation over all hosts, by a VM that raises its
// utilisation from u by d, is d(2u + d - 2m) over their number, m being the mean. Where that is negative is decided by
// u + d/2. By u + d alone large hosts, on which d is small, would be fuller than small ones in the end.
func (p Policy) Value(u Usage) int64 {
	with := p.utilization(u, u.With)
	if p.Strategy == Least {
		return -(p.mean(p.utilization(u, u.Without)) + p.mean(with) + 1) / 2
	}
	over := with
	for i := range over {
		over[i] = max(over[i]-Full, 0)
	}
	switch beyond := p.mean(over); {
	case beyond > 0:
		return -Full - beyond
	case u.Empty:
		return -p.mean(with)
	default:
		return p.mean(with)
	}
}

// utilization by resource, in the order of the fields of Weights.
func (p Policy) utilization(u Usage, load Load) [4]int64 {
	var used [4]int64
	if p.Weights.VCPU > 0 {
		used[0] = p.vcpuUtilization(u.Room, load.Guests)
	}
	if p.Weights.GuestMemory > 0 {
		used[1] = p.memoryUtilization(u.Room, load.Guests, u.PageSize)
	}
	if p.Weights.CPURequests > 0 {
		used[2] = ratio(load.Requested.MilliCPU, u.Allocatable.MilliCPU)
	}
	if p.Weights.MemoryRequests > 0 {
		used[3] = ratio(load.Requested.Memory, u.Allocatable.Memory)
	}
	return used
}

// mean is the weighted mean, rounded up so that what is not nothing stays so.
func (p Policy) mean(of [4]int64) int64 {
	w := p.Weights
	total := w.VCPU + w.GuestMemory + w.CPURequests + w.MemoryRequests
	if total <= 0 {
		return 0
	}
	return (of[0]*w.VCPU + of[1]*w.GuestMemory + of[2]*w.CPURequests + of[3]*w.MemoryRequests + total - 1) / total
}

// vcpuUtilization: a shared vCPU takes its part of an overcommitted CPU, a dedicated one takes a CPU.
func (p Policy) vcpuUtilization(room model.Room, guests model.Guests) int64 {
	const milli, percent = 1000, 100
	need := satAdd(
		satMul(guests.SharedVCPUs, milli*percent),
		satMul(guests.DedicatedVCPUs, satMul(milli, p.CPUOvercommit)))
	return ratio(need, satMul(room.MilliCPU, p.CPUOvercommit))
}

func (p Policy) memoryUtilization(room model.Room, guests model.Guests, pageSize int64) int64 {
	overcommit := p.MemoryOvercommit
	if pageSize != model.OrdinaryMemory {
		overcommit = 100
	}
	return ratio(satMul(guests.Memory, 100), satMul(room.Memory, overcommit))
}

// ratio is need/capacity in millionths, rounded down, at most maxUtilization. Negative numbers count as 0.
func ratio(need, capacity int64) int64 {
	if need <= 0 {
		return 0
	}
	if capacity <= 0 {
		return maxUtilization
	}
	hi, lo := bits.Mul64(uint64(need), uint64(Full))
	if hi >= uint64(capacity) {
		return maxUtilization
	}
	quotient, _ := bits.Div64(hi, lo, uint64(capacity))
	return int64(min(quotient, uint64(maxUtilization)))
}

// satMul multiplies numbers that are not negative (negative ones count as 0) and saturates.
func satMul(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(max(a, 0)), uint64(max(b, 0)))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// satAdd adds numbers that are not negative and saturates.
func satAdd(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
