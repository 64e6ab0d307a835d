// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"fmt"
)

// Reason says why a host is not for a VM. No reason names a host, and what is added to one comes from the VM's own
// wishes, so that a pod's events and the scheduler's metrics stay few.
type Reason uint8

// The reasons, and the only list of them. The zero value means that there is none: the host will do.
const (
	ReasonNone Reason = iota
	// ReasonNotSchedulable: label kubevirt.io/schedulable is not "true".
	ReasonNotSchedulable
	// ReasonNoHeartbeat: the virt-handler has not been heard of for too long, or never.
	ReasonNoHeartbeat
	// ReasonNodeFailure: our taint is on the node, or a NodeFailure that names it is open.
	ReasonNodeFailure
	// ReasonDevice and those below: a wish of the guest; what is added says which.
	ReasonDevice
	ReasonArchitecture
	ReasonCPUModel
	ReasonObsoleteHostModel
	ReasonCPUFeature
	ReasonForbiddenCPUFeature
	ReasonCPUVendor
	ReasonMachineType
	ReasonHyperV
	ReasonCPUManager
	ReasonRealtime
	ReasonSEV
	ReasonSEVES
	ReasonSEVSNP
	ReasonTDX
	ReasonSecureExecution
	ReasonTSC
	// ReasonUnpublished: the host has no label of a class that the guest has wishes in, and that is not let pass.
	ReasonUnpublished
	reasonCount
)

// texts follow "0/5 nodes are available: 3 ". A %q is the wish that failed.
var texts = [reasonCount]string{
	ReasonNone:                "",
	ReasonNotSchedulable:      "host(s) on which virt-handler does not run VMs (label kubevirt.io/schedulable)",
	ReasonNoHeartbeat:         "host(s) whose virt-handler is not heard of (annotation kubevirt.io/heartbeat)",
	ReasonNodeFailure:         "host(s) that are treated as failed (NodeFailure)",
	ReasonDevice:              "host(s) without device %q",
	ReasonArchitecture:        "host(s) whose CPU's architecture is not %q",
	ReasonCPUModel:            "host(s) whose CPU does not support model %q",
	ReasonObsoleteHostModel:   "host(s) whose own CPU model is declared obsolete, for a VM with that of its host",
	ReasonCPUFeature:          "host(s) whose CPU does not have feature %q",
	ReasonForbiddenCPUFeature: "host(s) whose CPU has feature %q, which the VM forbids",
	ReasonCPUVendor:           "host(s) whose CPU is not made by %q",
	ReasonMachineType:         "host(s) that do not know machine type %q",
	ReasonHyperV:              "host(s) without Hyper-V enlightenment %q",
	ReasonCPUManager:          "host(s) without a CPU manager, for a VM with dedicated CPUs",
	ReasonRealtime:            "host(s) that are not set up for realtime",
	ReasonSEV:                 "host(s) without AMD SEV",
	ReasonSEVES:               "host(s) without AMD SEV-ES",
	ReasonSEVSNP:              "host(s) without AMD SEV-SNP",
	ReasonTDX:                 "host(s) without Intel TDX",
	ReasonSecureExecution:     "host(s) without IBM Secure Execution",
	ReasonTSC:                 "host(s) whose time stamp counter has not the frequency of the VM's (%s Hz)",
	ReasonUnpublished:         "host(s) without labels of %s, so that the VM's wishes cannot be compared",
}

// Verdict is what a host is to a VM; the zero value says that it will do.
type Verdict struct {
	Reason Reason
	// Detail is the wish that failed, as the guest's owner wrote it; "" where the reason says all.
	Detail string
}

// OK is true when the host will do.
func (v Verdict) OK() bool { return v.Reason == ReasonNone }

// String returns the reason as users read it, "" when there is none.
func (v Verdict) String() string {
	if v.Detail == "" {
		return texts[v.Reason]
	}
	return fmt.Sprintf(texts[v.Reason], v.Detail)
}
