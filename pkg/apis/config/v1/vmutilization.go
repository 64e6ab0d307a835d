// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// VMResourceWeight weighs one resource in a host's utilisation.
type VMResourceWeight struct {
	// Name is "vcpu", "guestMemory", "cpuRequests" or "memoryRequests".
	Name string `json:"name"`
	// Weight is relative to the other resources' weights; 1 to 100. Default 1.
	Weight *int64 `json:"weight,omitempty"`
}

// VMUtilizationArgs holds the arguments of plugin VMUtilization.
type VMUtilizationArgs struct {
	metav1.TypeMeta `json:",inline"`

	// Strategy is "Least" (spread, the default) or "Most" (pack).
	Strategy *string `json:"strategy,omitempty"`
	// Resources that count, each at most once. Default: vcpu and guestMemory, weight 1 each.
	Resources []VMResourceWeight `json:"resources,omitempty"`
	// CPUOvercommitPercent is the number of vCPUs, per 100 host CPUs, at which a host counts as full;
	// 10 to 10000. Default 400: four vCPUs per CPU.
	CPUOvercommitPercent *int32 `json:"cpuOvercommitPercent,omitempty"`
	// MemoryOvercommitPercent is the guest memory, in percent of the host's, at which a host counts as full;
	// 10 to 10000. Default 100. Huge pages are never overcommitted.
	MemoryOvercommitPercent *int32 `json:"memoryOvercommitPercent,omitempty"`
	// MaxCPUOvercommitPercent is the number of vCPUs, per 100 host CPUs, that a host may have; 10 to 10000. Default: no
	// cap. A node's annotation virt-scheduler.io/overcommit comes before it.
	MaxCPUOvercommitPercent *int32 `json:"maxCPUOvercommitPercent,omitempty"`
	// MaxMemoryOvercommitPercent is the guest memory, in percent of the host's, that a host may have; 10 to 10000.
	// Default: no cap. Huge pages are never overcommitted. A node's annotation comes before it.
	MaxMemoryOvercommitPercent *int32 `json:"maxMemoryOvercommitPercent,omitempty"`
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMUtilizationArgs) DeepCopy() *VMUtilizationArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.Strategy = clone(in.Strategy)
	out.CPUOvercommitPercent = clone(in.CPUOvercommitPercent)
	out.MemoryOvercommitPercent = clone(in.MemoryOvercommitPercent)
	out.MaxCPUOvercommitPercent = clone(in.MaxCPUOvercommitPercent)
	out.MaxMemoryOvercommitPercent = clone(in.MaxMemoryOvercommitPercent)
	if in.Resources != nil {
		out.Resources = make([]VMResourceWeight, len(in.Resources))
		for i, r := range in.Resources {
			out.Resources[i] = VMResourceWeight{Name: r.Name, Weight: clone(r.Weight)}
		}
	}
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMUtilizationArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}

// Defaults of VMUtilizationArgs; what they mean is said at the fields.
const (
	// DefaultCPUOvercommitPercent is a usual sizing rule for general purpose guests. It is not KubeVirt's 10 vCPUs
	// per CPU: that is what KubeVirt admits, and at that ratio vCPUs would say nothing that CPU requests do not.
	DefaultCPUOvercommitPercent int32 = 400
	// DefaultMemoryOvercommitPercent is KubeVirt's own default: none.
	DefaultMemoryOvercommitPercent int32 = 100
	// DefaultResourceWeight weighs a resource that is named without a weight.
	DefaultResourceWeight int64 = 1
)

// SetDefaultsVMUtilizationArgs fills in what the user left out.
func SetDefaultsVMUtilizationArgs(args *VMUtilizationArgs) {
	setDefault(&args.Strategy, string(config.StrategyLeast))
	setDefault(&args.CPUOvercommitPercent, DefaultCPUOvercommitPercent)
	setDefault(&args.MemoryOvercommitPercent, DefaultMemoryOvercommitPercent)
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

func vmUtilizationToInternal(in *VMUtilizationArgs, out *config.VMUtilizationArgs) {
	*out = config.VMUtilizationArgs{
		TypeMeta:                out.TypeMeta,
		Strategy:                config.UtilizationStrategy(value(in.Strategy)),
		CPUOvercommitPercent:    value(in.CPUOvercommitPercent),
		MemoryOvercommitPercent: value(in.MemoryOvercommitPercent),

		MaxCPUOvercommitPercent:    clone(in.MaxCPUOvercommitPercent),
		MaxMemoryOvercommitPercent: clone(in.MaxMemoryOvercommitPercent),
	}
	for _, r := range in.Resources {
		out.Resources = append(out.Resources, config.VMResourceWeight{
			Name: config.VMResourceName(r.Name), Weight: value(r.Weight),
		})
	}
}

func vmUtilizationFromInternal(in *config.VMUtilizationArgs, out *VMUtilizationArgs) {
	strategy := string(in.Strategy)
	*out = VMUtilizationArgs{
		TypeMeta:                out.TypeMeta,
		Strategy:                &strategy,
		CPUOvercommitPercent:    clone(&in.CPUOvercommitPercent),
		MemoryOvercommitPercent: clone(&in.MemoryOvercommitPercent),

		MaxCPUOvercommitPercent:    clone(in.MaxCPUOvercommitPercent),
		MaxMemoryOvercommitPercent: clone(in.MaxMemoryOvercommitPercent),
	}
	for _, r := range in.Resources {
		out.Resources = append(out.Resources, VMResourceWeight{Name: string(r.Name), Weight: &r.Weight})
	}
}
