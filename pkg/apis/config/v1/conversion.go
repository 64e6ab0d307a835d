// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"fmt"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// The conversions copy field by field. That the two layouts may differ is worth more than the copy that
// an unsafe cast would save, once per start. TypeMeta is the scheme's to set.

func toInternal(in *VMUtilizationArgs, out *config.VMUtilizationArgs) {
	*out = config.VMUtilizationArgs{
		TypeMeta:                out.TypeMeta,
		Strategy:                config.UtilizationStrategy(value(in.Strategy)),
		CPUOvercommitPercent:    value(in.CPUOvercommitPercent),
		MemoryOvercommitPercent: value(in.MemoryOvercommitPercent),
		CPUAllocationRatio:      value(in.CPUAllocationRatio),
	}
	for _, r := range in.Resources {
		out.Resources = append(out.Resources, config.VMResourceWeight{
			Name: config.VMResourceName(r.Name), Weight: value(r.Weight),
		})
	}
}

func fromInternal(in *config.VMUtilizationArgs, out *VMUtilizationArgs) {
	strategy := string(in.Strategy)
	*out = VMUtilizationArgs{
		TypeMeta:                out.TypeMeta,
		Strategy:                &strategy,
		CPUOvercommitPercent:    clone(&in.CPUOvercommitPercent),
		MemoryOvercommitPercent: clone(&in.MemoryOvercommitPercent),
		CPUAllocationRatio:      clone(&in.CPUAllocationRatio),
	}
	for _, r := range in.Resources {
		out.Resources = append(out.Resources, VMResourceWeight{Name: string(r.Name), Weight: &r.Weight})
	}
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func addConversions(scheme *runtime.Scheme) error {
	if err := addVMTaintTolerationConversions(scheme); err != nil {
		return err
	}
	err := scheme.AddConversionFunc((*VMUtilizationArgs)(nil), (*config.VMUtilizationArgs)(nil),
		func(a, b any, _ conversion.Scope) error {
			in, out, err := typed[VMUtilizationArgs, config.VMUtilizationArgs](a, b)
			if err == nil {
				toInternal(in, out)
			}
			return err
		})
	if err != nil {
		return err
	}
	return scheme.AddConversionFunc((*config.VMUtilizationArgs)(nil), (*VMUtilizationArgs)(nil),
		func(a, b any, _ conversion.Scope) error {
			in, out, err := typed[config.VMUtilizationArgs, VMUtilizationArgs](a, b)
			if err == nil {
				fromInternal(in, out)
			}
			return err
		})
}

func typed[A, B any](a, b any) (*A, *B, error) {
	in, ok := a.(*A)
	if !ok {
		return nil, nil, fmt.Errorf("converting plugin arguments: got %T, want %T", a, in)
	}
	out, ok := b.(*B)
	if !ok {
		return nil, nil, fmt.Errorf("converting plugin arguments: got %T, want %T", b, out)
	}
	return in, out, nil
}
