// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"errors"
	"fmt"
)

// HostSize is the size of every simulated host.
type HostSize struct {
	CPUs      int `json:"cpus"`
	MemoryGiB int `json:"memoryGiB"`
}

const (
	// fullPercent is how full the hosts are with guests after one of them has died.
	fullPercent = 60
	// overheadMiB is what KubeVirt adds to a launcher pod's memory request, rounded up (seen: 240 to 330 MiB).
	overheadMiB = 400
	cpuStep     = 8
	memoryStep  = 16
)

// SizeHosts returns hosts on which all VMs fit although one of the nodes is dead.
func SizeHosts(vms []VM, nodes int) HostSize {
	size := HostSize{CPUs: cpuStep, MemoryGiB: memoryStep}
	var cpus, memoryMiB int64
	for _, vm := range vms {
		cpus += vm.VCPUs()
		memoryMiB += vm.MemoryGiB*1024 + overheadMiB
		// The largest VM must find room on a host that is not empty.
		size.CPUs = max(size.CPUs, 2*int(vm.VCPUs()))
		size.MemoryGiB = max(size.MemoryGiB, 2*int(vm.MemoryGiB))
	}
	left := int64(max(nodes-1, 1)) * fullPercent
	size.CPUs = roundUp(max(size.CPUs, ceilDiv(cpus*100, left)), cpuStep)
	size.MemoryGiB = roundUp(max(size.MemoryGiB, ceilDiv(memoryMiB*100, left*1024)), memoryStep)
	return size
}

func ceilDiv(a, b int64) int { return int((a + b - 1) / b) }

func roundUp(n, step int) int { return (n + step - 1) / step * step }

// maxVMsPerNode keeps below the 110 pods of a node.
const maxVMsPerNode = 80

// Validate says what can't be told with these numbers.
func Validate(nodes, zones, vms int) error {
	var errs []error
	if nodes < 2 || nodes > 500 {
		errs = append(errs, fmt.Errorf("--nodes %d: want 2 to 500; one dies, the others take its VMs", nodes))
	}
	if zones < 1 || zones > nodes {
		errs = append(errs, fmt.Errorf("--zones %d: want 1 to --nodes (%d)", zones, nodes))
	}
	if vms < 1 || vms > 5000 {
		errs = append(errs, fmt.Errorf("--vms %d: want 1 to 5000", vms))
	}
	if nodes >= 2 && vms > maxVMsPerNode*(nodes-1) {
		errs = append(errs, fmt.Errorf("--vms %d: want at most %d on the %d nodes that live on; take more --nodes",
			vms, maxVMsPerNode*(nodes-1), nodes-1))
	}
	return errors.Join(errs...)
}
