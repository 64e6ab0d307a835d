// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
)

// Ranges of the fields of VMUtilizationArgs, both ends included.
const (
	minWeight, maxWeight         = 1, 100
	minOvercommit, maxOvercommit = rank.MinOvercommit, rank.MaxOvercommit
)

var (
	strategies = []config.UtilizationStrategy{config.StrategyLeast, config.StrategyMost}
	resources  = []config.VMResourceName{
		config.VMResourceCPURequests, config.VMResourceGuestMemory, config.VMResourceMemoryRequests, config.VMResourceVCPU,
	}
)

// ValidateVMUtilizationArgs returns every fault of args as one error, or nil.
func ValidateVMUtilizationArgs(path *field.Path, args *config.VMUtilizationArgs) error {
	var faults field.ErrorList
	if !sets.New(strategies...).Has(args.Strategy) {
		faults = append(faults, field.NotSupported(path.Child("strategy"), args.Strategy, strategies))
	}
	faults = append(faults, validateResources(path.Child("resources"), args.Resources)...)
	faults = append(faults, validateRange(path.Child("cpuOvercommitPercent"), int64(args.CPUOvercommitPercent), minOvercommit, maxOvercommit)...)
	faults = append(faults, validateRange(path.Child("memoryOvercommitPercent"), int64(args.MemoryOvercommitPercent), minOvercommit, maxOvercommit)...)
	faults = append(faults, validateCap(path.Child("maxCPUOvercommitPercent"), args.MaxCPUOvercommitPercent)...)
	faults = append(faults, validateCap(path.Child("maxMemoryOvercommitPercent"), args.MaxMemoryOvercommitPercent)...)
	return faults.ToAggregate()
}

func validateResources(path *field.Path, weights []config.VMResourceWeight) field.ErrorList {
	if len(weights) == 0 {
		return field.ErrorList{field.Required(path, "name at least one resource, or leave the field out")}
	}
	var faults field.ErrorList
	known, seen := sets.New(resources...), sets.New[config.VMResourceName]()
	for i, r := range weights {
		name := path.Index(i).Child("name")
		if !known.Has(r.Name) {
			faults = append(faults, field.NotSupported(name, r.Name, resources))
		} else if seen.Has(r.Name) {
			faults = append(faults, field.Duplicate(name, r.Name))
		}
		seen.Insert(r.Name)
		faults = append(faults, validateRange(path.Index(i).Child("weight"), r.Weight, minWeight, maxWeight)...)
	}
	return faults
}

func validateCap(path *field.Path, percent *int32) field.ErrorList {
	if percent == nil {
		return nil
	}
	return validateRange(path, int64(*percent), minOvercommit, maxOvercommit)
}
