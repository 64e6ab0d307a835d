// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

func args(change func(*config.VMUtilizationArgs)) *config.VMUtilizationArgs {
	a := &config.VMUtilizationArgs{
		Strategy:             config.StrategyLeast,
		Resources:            []config.VMResourceWeight{{Name: config.VMResourceVCPU, Weight: 1}, {Name: config.VMResourceGuestMemory, Weight: 100}},
		CPUOvercommitPercent: 400, MemoryOvercommitPercent: 100,
	}
	change(a)
	return a
}

func percent(p int32) *int32 { return &p }

func TestValidateVMUtilizationArgs(t *testing.T) {
	tests := map[string]struct {
		change func(*config.VMUtilizationArgs)
		want   []string // the faults, in order; none: valid
	}{
		"valid":        {change: func(*config.VMUtilizationArgs) {}},
		"one resource": {change: func(a *config.VMUtilizationArgs) { a.Resources = a.Resources[1:] }},
		"the ends of the ranges": {change: func(a *config.VMUtilizationArgs) {
			a.CPUOvercommitPercent, a.MemoryOvercommitPercent = 10, 10000
			a.MaxCPUOvercommitPercent, a.MaxMemoryOvercommitPercent = percent(10000), percent(10)
		}},
		"all resources": {change: func(a *config.VMUtilizationArgs) {
			a.Resources = append(a.Resources, config.VMResourceWeight{Name: config.VMResourceCPURequests, Weight: 1},
				config.VMResourceWeight{Name: config.VMResourceMemoryRequests, Weight: 1})
		}},
		"a cap under what counts as full": {change: func(a *config.VMUtilizationArgs) { a.MaxCPUOvercommitPercent = percent(100) }},
		"a cap of nothing": {
			change: func(a *config.VMUtilizationArgs) { a.MaxMemoryOvercommitPercent = percent(0) },
			want:   []string{`args.maxMemoryOvercommitPercent: Invalid value: 0: must be in the range [10, 10000]`},
		},
		"no strategy": {
			change: func(a *config.VMUtilizationArgs) { a.Strategy = "" },
			want:   []string{`args.strategy: Unsupported value: "": supported values: "Least", "Most"`},
		},
		"no resources": {
			change: func(a *config.VMUtilizationArgs) { a.Resources = nil },
			want:   []string{"args.resources: Required value: name at least one resource, or leave the field out"},
		},
		"a resource twice": {
			change: func(a *config.VMUtilizationArgs) { a.Resources[1].Name = config.VMResourceVCPU },
			want:   []string{`args.resources[1].name: Duplicate value: "vcpu"`},
		},
		"everything wrong": {
			change: func(a *config.VMUtilizationArgs) {
				*a = config.VMUtilizationArgs{
					Strategy: "least", Resources: []config.VMResourceWeight{{Name: "cpu"}},
					CPUOvercommitPercent: 9, MemoryOvercommitPercent: 10001,
					MaxCPUOvercommitPercent: percent(-1), MaxMemoryOvercommitPercent: percent(10001),
				}
			},
			want: []string{
				`args.strategy: Unsupported value: "least": supported values: "Least", "Most"`,
				`args.resources[0].name: Unsupported value: "cpu": supported values: "cpuRequests", "guestMemory", "memoryRequests", "vcpu"`,
				`args.resources[0].weight: Invalid value: 0: must be in the range [1, 100]`,
				`args.cpuOvercommitPercent: Invalid value: 9: must be in the range [10, 10000]`,
				`args.memoryOvercommitPercent: Invalid value: 10001: must be in the range [10, 10000]`,
				`args.maxCPUOvercommitPercent: Invalid value: -1: must be in the range [10, 10000]`,
				`args.maxMemoryOvercommitPercent: Invalid value: 10001: must be in the range [10, 10000]`,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			checkFaults(t, ValidateVMUtilizationArgs(field.NewPath("args"), args(tc.change)), tc.want)
		})
	}
}
