// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UtilizationStrategy says which hosts VMUtilization prefers.
type UtilizationStrategy string

const (
	// StrategyLeast prefers the host that is utilised least once the VM is on it: it spreads.
	StrategyLeast UtilizationStrategy = "Least"
	// StrategyMost prefers the host that is utilised most without being over full: it packs.
	StrategyMost UtilizationStrategy = "Most"
)

// VMResourceName names something that a guest sees.
type VMResourceName string

const (
	// VMResourceVCPU is the number of vCPUs: sockets x cores x threads.
	VMResourceVCPU VMResourceName = "vcpu"
	// VMResourceGuestMemory is the memory that the guest sees, in the host's
	// pool that it comes from: ordinary memory, or huge pages of one size.
	VMResourceGuestMemory VMResourceName = "guestMemory"
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
	// CPUAllocationRatio is KubeVirt's developerConfiguration.cpuAllocationRatio; 1 to 1000. It is only used to
	// guess the vCPUs of a VM whose VirtualMachineInstance cannot be read.
	CPUAllocationRatio int32
}
