// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// Defaults of VMUtilizationArgs; what they mean is said at the fields.
const (
	// DefaultCPUOvercommitPercent is a usual sizing rule for general purpose guests. It is not KubeVirt's 10 vCPUs
	// per CPU: that is what KubeVirt admits, and at that ratio vCPUs would say nothing that CPU requests do not.
	DefaultCPUOvercommitPercent int32 = 400
	// DefaultMemoryOvercommitPercent is KubeVirt's own default: none.
	DefaultMemoryOvercommitPercent int32 = 100
	// DefaultCPUAllocationRatio is KubeVirt's own default.
	DefaultCPUAllocationRatio int32 = 10
	// DefaultResourceWeight weighs a resource that is named without a weight.
	DefaultResourceWeight int64 = 1
)

// SetDefaultsVMUtilizationArgs fills in what the user left out.
func SetDefaultsVMUtilizationArgs(args *VMUtilizationArgs) {
	setDefault(&args.Strategy, string(config.StrategyLeast))
	setDefault(&args.CPUOvercommitPercent, DefaultCPUOvercommitPercent)
	setDefault(&args.MemoryOvercommitPercent, DefaultMemoryOvercommitPercent)
	setDefault(&args.CPUAllocationRatio, DefaultCPUAllocationRatio)
	if args.Resources == nil {
		args.Resources = []VMResourceWeight{
			{Name: string(config.VMResourceVCPU)},
			{Name: string(config.VMResourceGuestMemory)},
		}
	}
	for i := range args.Resources {
		setDefault(&args.Resources[i].Weight, DefaultResourceWeight)
	}
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func addDefaults(scheme *runtime.Scheme) error {
	scheme.AddTypeDefaultingFunc(&VMTaintTolerationArgs{}, func(obj any) {
		if args, ok := obj.(*VMTaintTolerationArgs); ok {
			SetDefaultsVMTaintTolerationArgs(args)
		}
	})
	scheme.AddTypeDefaultingFunc(&VMUtilizationArgs{}, func(obj any) {
		if args, ok := obj.(*VMUtilizationArgs); ok {
			SetDefaultsVMUtilizationArgs(args)
		}
	})
	return nil
}
