// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VMResourceWeight weighs one resource in a host's utilisation.
type VMResourceWeight struct {
	// Name is "vcpu" or "guestMemory".
	Name string `json:"name"`
	// Weight is relative to the other resources' weights; 1 to 100. Default 1.
	Weight *int64 `json:"weight,omitempty"`
}

// VMUtilizationArgs holds the arguments of plugin VMUtilization.
type VMUtilizationArgs struct {
	metav1.TypeMeta `json:",inline"`

	// Strategy is "Least" (spread, the default) or "Most" (pack).
	Strategy *string `json:"strategy,omitempty"`
	// Resources that count, each at most once. Default: vcpu and guestMemory, weight 1 each.
	Resources []VMResourceWeight `json:"resources,omitempty"`
	// CPUOvercommitPercent is the number of vCPUs, per 100 host CPUs, at which a host counts as full;
	// 10 to 10000. Default 400: four vCPUs per CPU.
	CPUOvercommitPercent *int32 `json:"cpuOvercommitPercent,omitempty"`
	// MemoryOvercommitPercent is the guest memory, in percent of the host's, at which a host counts as full;
	// 10 to 10000. Default 100. Huge pages are never overcommitted.
	MemoryOvercommitPercent *int32 `json:"memoryOvercommitPercent,omitempty"`
	// CPUAllocationRatio is KubeVirt's spec.configuration.developerConfiguration.cpuAllocationRatio; 1 to 1000.
	// Default 10, as KubeVirt's. It is only used to guess the vCPUs of a VM whose VirtualMachineInstance cannot be read.
	CPUAllocationRatio *int32 `json:"cpuAllocationRatio,omitempty"`
}
