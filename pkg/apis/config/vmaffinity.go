// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// RequiredAffinityPolicy says what becomes of the required affinity of a VM that migrates.
type RequiredAffinityPolicy string

const (
	// AffinityRequired keeps it, whatever becomes of the VM's host.
	AffinityRequired RequiredAffinityPolicy = "Required"
	// AffinityPreferredOnEvacuation makes it the strongest preference when the VM's host has to be left.
	AffinityPreferredOnEvacuation RequiredAffinityPolicy = "PreferredOnEvacuation"
)

// VMAffinityArgs holds the arguments of plugin VMAffinity.
type VMAffinityArgs struct {
	metav1.TypeMeta

	// HardPodAffinityWeight is the weight, in the score, of required affinity that other pods have to the pod; 0 to 100.
	HardPodAffinityWeight int32
	// IgnorePreferredTermsOfExistingPods leaves pods without preferred terms of their own unscored.
	IgnorePreferredTermsOfExistingPods bool
	// RequiredAffinityDuringMigration is Required or PreferredOnEvacuation.
	RequiredAffinityDuringMigration RequiredAffinityPolicy
	// EvacuationTaints are the keys of taints that VMs are to leave a host for, in the form of those of
	// VMTaintTolerationArgs.
	EvacuationTaints []string
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMAffinityArgs) DeepCopy() *VMAffinityArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.EvacuationTaints = slices.Clone(in.EvacuationTaints)
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMAffinityArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}
