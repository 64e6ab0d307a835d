// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// VMAffinityArgs holds the arguments of plugin VMAffinity. The first two are those of kube-scheduler's InterPodAffinity,
// with its names and defaults.
type VMAffinityArgs struct {
	metav1.TypeMeta `json:",inline"`

	// HardPodAffinityWeight is the weight, in the score, of required affinity that other pods have to the pod; 0 to 100.
	// Default 1.
	HardPodAffinityWeight *int32 `json:"hardPodAffinityWeight,omitempty"`
	// IgnorePreferredTermsOfExistingPods leaves pods without preferred affinity or anti-affinity of their own unscored.
	// Default false.
	IgnorePreferredTermsOfExistingPods *bool `json:"ignorePreferredTermsOfExistingPods,omitempty"`
	// RequiredAffinityDuringMigration says what becomes of the required affinity of a VM whose host has to be left:
	// "Required" keeps it, "PreferredOnEvacuation" (the default) makes it the strongest preference. Required
	// anti-affinity always holds.
	RequiredAffinityDuringMigration *string `json:"requiredAffinityDuringMigration,omitempty"`
	// EvacuationTaints are the keys of taints that VMs are to leave a host for: "domain/name", "name", or "domain/*" for
	// all of a domain. A list that is given replaces the default, and may be empty. Default: DefaultEvacuationTaints.
	EvacuationTaints []string `json:"evacuationTaints"`
}

// DefaultHardPodAffinityWeight is kube-scheduler's own.
const DefaultHardPodAffinityWeight int32 = 1

// SetDefaultsVMAffinityArgs fills in what the user left out.
func SetDefaultsVMAffinityArgs(args *VMAffinityArgs) {
	setDefault(&args.HardPodAffinityWeight, DefaultHardPodAffinityWeight)
	setDefault(&args.IgnorePreferredTermsOfExistingPods, false)
	setDefault(&args.RequiredAffinityDuringMigration, string(config.AffinityPreferredOnEvacuation))
	if args.EvacuationTaints == nil {
		args.EvacuationTaints = DefaultEvacuationTaints()
	}
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMAffinityArgs) DeepCopy() *VMAffinityArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.HardPodAffinityWeight = clone(in.HardPodAffinityWeight)
	out.IgnorePreferredTermsOfExistingPods = clone(in.IgnorePreferredTermsOfExistingPods)
	out.RequiredAffinityDuringMigration = clone(in.RequiredAffinityDuringMigration)
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

func vmAffinityToInternal(in *VMAffinityArgs, out *config.VMAffinityArgs) {
	*out = config.VMAffinityArgs{
		TypeMeta:                           out.TypeMeta,
		HardPodAffinityWeight:              value(in.HardPodAffinityWeight),
		IgnorePreferredTermsOfExistingPods: value(in.IgnorePreferredTermsOfExistingPods),
		RequiredAffinityDuringMigration:    config.RequiredAffinityPolicy(value(in.RequiredAffinityDuringMigration)),
		EvacuationTaints:                   slices.Clone(in.EvacuationTaints),
	}
}

// vmAffinityFromInternal writes a list that is empty as empty: to leave it out would mean the default.
func vmAffinityFromInternal(in *config.VMAffinityArgs, out *VMAffinityArgs) {
	policy := string(in.RequiredAffinityDuringMigration)
	*out = VMAffinityArgs{
		TypeMeta:                           out.TypeMeta,
		HardPodAffinityWeight:              clone(&in.HardPodAffinityWeight),
		IgnorePreferredTermsOfExistingPods: clone(&in.IgnorePreferredTermsOfExistingPods),
		RequiredAffinityDuringMigration:    &policy,
		EvacuationTaints:                   append([]string{}, in.EvacuationTaints...),
	}
}
