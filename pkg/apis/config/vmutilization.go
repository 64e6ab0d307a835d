// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// UtilizationStrategy says which hosts VMUtilization prefers.
type UtilizationStrategy string

const (
	// StrategyLeast prefers the host that is utilised least once the VM is on it: it spreads.
	StrategyLeast UtilizationStrategy = "Least"
	// StrategyMost prefers the host that is utilised most without being over full: it packs.
	StrategyMost UtilizationStrategy = "Most"
)

// VMResourceName names something that a VM uses of its host.
type VMResourceName string

const (
	// VMResourceVCPU is the number of vCPUs: sockets x cores x threads.
	VMResourceVCPU VMResourceName = "vcpu"
	// VMResourceGuestMemory is the memory that the guest sees, in the host's
	// pool that it comes from: ordinary memory, or huge pages of one size.
	VMResourceGuestMemory VMResourceName = "guestMemory"
	// VMResourceCPURequests is what all pods of a host, launcher pods among them, request of its CPUs.
	VMResourceCPURequests VMResourceName = "cpuRequests"
	// VMResourceMemoryRequests is what they request of its memory, without huge pages.
	VMResourceMemoryRequests VMResourceName = "memoryRequests"
)

// VMResourceWeight weighs one resource in a host's utilisation.
type VMResourceWeight struct {
	Name VMResourceName
	// Weight is relative to the other resources' weights; 1 to 100.
	Weight int64
}

// VMUtilizationArgs holds the arguments of plugin VMUtilization.
type VMUtilizationArgs struct {
	metav1.TypeMeta

	// Strategy is Least or Most.
	Strategy UtilizationStrategy
	// Resources that count, each at most once.
	Resources []VMResourceWeight
	// CPUOvercommitPercent is the number of vCPUs, per 100 host CPUs, at which a host counts as full; 10 to 10000.
	CPUOvercommitPercent int32
	// MemoryOvercommitPercent is the guest memory, in percent of the host's, at which a host counts as full; 10 to 10000.
	MemoryOvercommitPercent int32
	// MaxCPUOvercommitPercent is the number of vCPUs, per 100 host CPUs, that a host may have; 10 to 10000, or nil for
	// no cap. A node's annotation OvercommitAnnotation comes before it.
	MaxCPUOvercommitPercent *int32
	// MaxMemoryOvercommitPercent is the guest memory, in percent of the host's, that a host may have; 10 to 10000, or
	// nil for no cap. Huge pages are never overcommitted. A node's annotation comes before it.
	MaxMemoryOvercommitPercent *int32
}

// OvercommitAnnotation of a node holds caps of its own: "cpu=400,memory=100", or one of the two, in percent and in the
// range of the arguments. What it does not name, the arguments say. A value that cannot be read counts as absent.
const OvercommitAnnotation = "virt-scheduler.io/overcommit"

// DeepCopy returns a copy that shares nothing with in.
func (in *VMUtilizationArgs) DeepCopy() *VMUtilizationArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.Resources = slices.Clone(in.Resources)
	out.MaxCPUOvercommitPercent = clone(in.MaxCPUOvercommitPercent)
	out.MaxMemoryOvercommitPercent = clone(in.MaxMemoryOvercommitPercent)
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMUtilizationArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
