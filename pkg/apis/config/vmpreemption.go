// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ExternalVMPolicy says what becomes of a VM with eviction strategy External that is in the way.
type ExternalVMPolicy string

const (
	// ExternalSpare leaves it alone: it is no victim.
	ExternalSpare ExternalVMPolicy = "Spare"
	// ExternalSignal asks for its eviction, which KubeVirt marks it with, and waits for whoever manages it to move it.
	ExternalSignal ExternalVMPolicy = "Signal"
)

// PreemptionAnnotation of a VirtualMachineInstance says whether it may have to go for a pod of higher priority.
// PreemptionNever is the only value that says something: it never has to. KubeVirt copies annotations of a
// VirtualMachineInstance to the launcher pods that it makes from then on.
const (
	PreemptionAnnotation = "virt-scheduler.io/preemption"
	PreemptionNever      = "Never"
)

// VMPreemptionArgs holds the arguments of plugin VMPreemption.
type VMPreemptionArgs struct {
	metav1.TypeMeta

	// MinCandidateNodesPercentage is the least number of nodes that are looked at, in percent of all; 0 to 100.
	MinCandidateNodesPercentage int32
	// MinCandidateNodesAbsolute is the least number of nodes that are looked at; at least 0. The greater number of
	// the two counts, and not both may be 0.
	MinCandidateNodesAbsolute int32
	// MoveStrategyNone lets migratable VMs whose eviction strategy is None, or unset, be moved.
	MoveStrategyNone bool
	// EvictNotMigratable lets VMs be evicted that cannot be migrated and whose eviction strategy does not forbid it:
	// LiveMigrateIfPossible, None, unset.
	EvictNotMigratable bool
	// ExternalVMs is Spare or Signal.
	ExternalVMs ExternalVMPolicy
	// VMsOfOtherSchedulers lets VMs be victims whose scheduler is not ours.
	VMsOfOtherSchedulers bool
	// MigrationTargetsPreempt lets target pods of migrations that are not ours preempt.
	MigrationTargetsPreempt bool
	// MoveTimeout is how long the moves for one pod may take; 1m to 24h.
	MoveTimeout time.Duration
	// RetryAfter is how long a host whose moves failed is not tried again for the same pod; 10s to 24h.
	RetryAfter time.Duration
	// MigrationBandwidth is assumed of each migration when more VMs have to move than may move at once, in bytes per
	// second; at least 1Mi.
	MigrationBandwidth resource.Quantity
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMPreemptionArgs) DeepCopy() *VMPreemptionArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.MigrationBandwidth = in.MigrationBandwidth.DeepCopy()
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMPreemptionArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}
