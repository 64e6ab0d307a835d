// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// Range of the weight in VMAffinityArgs, both ends included: that of kube-scheduler. A weight of 0 turns it off.
const minHardPodAffinityWeight, maxHardPodAffinityWeight = 0, 100

var affinityPolicies = []config.RequiredAffinityPolicy{config.AffinityPreferredOnEvacuation, config.AffinityRequired}

// ValidateVMAffinityArgs returns every fault of args as one error, or nil.
func ValidateVMAffinityArgs(path *field.Path, args *config.VMAffinityArgs) error {
	faults := validateRange(path.Child("hardPodAffinityWeight"), int64(args.HardPodAffinityWeight), minHardPodAffinityWeight, maxHardPodAffinityWeight)
	if !sets.New(affinityPolicies...).Has(args.RequiredAffinityDuringMigration) {
		faults = append(faults, field.NotSupported(path.Child("requiredAffinityDuringMigration"), args.RequiredAffinityDuringMigration, affinityPolicies))
	}
	faults = append(faults, validateTaintKeys(path.Child("evacuationTaints"), args.EvacuationTaints)...)
	return faults.ToAggregate()
}
