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
	// Least prefers the host that is utilised less. Utilisation beyond full goes on counting.
	Least Strategy = iota
	// Most prefers the host that is utilised more, up to full. A host that would be over full in any resource comes
	// after all that would not, and the less it is over full the better.
	Most
)

// Policy is how hosts are to be compared.
type Policy struct {
	Strategy Strategy
	// VCPUWeight and MemoryWeight are the relative weights of the two resources, 0 to 100, not both 0.
	VCPUWeight, MemoryWeight int64
	// CPUOvercommit is the number of vCPUs per 100 host CPUs at which a host is full, at least 1.
	CPUOvercommit int64
	// MemoryOvercommit is the guest memory in percent of the host's at which a host is full, at least 1. It does not
	// hold for huge pages.
	MemoryOvercommit int64
}

// Value returns how good a host is, the VM to be placed being among its guests: greater is better. Only the order
// and the difference of values of one policy mean something, a difference being one of utilisation, in millionths.
// pageSize is the pool that room and guests speak of. Values lie between -maxUtilization and Full.
func (p Policy) Value(room model.Room, guests model.Guests, pageSize int64) int64 {
	vcpu, memory := p.vcpuUtilization(room, guests), p.memoryUtilization(room, guests, pageSize)
	mean := p.mean(vcpu, memory)
	if p.Strategy == Least {
		return -mean
	}
	if over := p.mean(max(vcpu-Full, 0), max(memory-Full, 0)); over > 0 {
		return -over
	}
	return mean
}

// mean is the weighted mean, rounded up so that what is not nothing stays so.
func (p Policy) mean(vcpu, memory int64) int64 {
	total := p.VCPUWeight + p.MemoryWeight
	if total <= 0 {
		return 0
	}
	return (vcpu*p.VCPUWeight + memory*p.MemoryWeight + total - 1) / total
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
