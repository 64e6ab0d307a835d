// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// AdverseCondition is a node condition that VMs had better keep away from.
type AdverseCondition struct {
	// Type of the condition, such as DiskPressure; never Ready.
	Type corev1.NodeConditionType
	// Status in which the condition is adverse.
	Status corev1.ConditionStatus
	// Weight of the condition; 1 to 100.
	Weight int64
}

// VMTaintTolerationArgs holds the arguments of plugin VMTaintToleration.
type VMTaintTolerationArgs struct {
	metav1.TypeMeta

	// EvacuationTaints are the keys of taints that VMs are to leave a host for: "domain/name", "name", or "domain/*" for
	// all of a domain. A toleration without a key does not let a VM in to a host that has one.
	EvacuationTaints []string
	// ShortestToleration is the shortest tolerationSeconds of a NoExecute taint with which a VM is let in; at least 1 s.
	// nil: only a toleration without an end lets it in.
	ShortestToleration *time.Duration
	// ToleratedTaintWeight is the weight, in the score, of a NoSchedule or NoExecute taint that the VM tolerates; 0 to 100.
	ToleratedTaintWeight int64
	// PreferNoScheduleTaintWeight is the weight of a PreferNoSchedule taint that the VM does not tolerate; 0 to 100.
	PreferNoScheduleTaintWeight int64
	// IgnoredTaints are the keys of taints that do not count in the score, in the form of EvacuationTaints.
	IgnoredTaints []string
	// AdverseConditions count in the score, each type and status at most once.
	AdverseConditions []AdverseCondition
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMTaintTolerationArgs) DeepCopy() *VMTaintTolerationArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.EvacuationTaints = slices.Clone(in.EvacuationTaints)
	if in.ShortestToleration != nil {
		shortest := *in.ShortestToleration
		out.ShortestToleration = &shortest
	}
	out.IgnoredTaints = slices.Clone(in.IgnoredTaints)
	out.AdverseConditions = slices.Clone(in.AdverseConditions)
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMTaintTolerationArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}
