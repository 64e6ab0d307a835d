// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
)

// The conversions copy field by field. That the two layouts may differ is worth more than the copy that
// an unsafe cast would save, once per start. TypeMeta is the scheme's to set.

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func addConversions(scheme *runtime.Scheme) error {
	return errors.Join(
		addConversion(scheme, vmAffinityToInternal, vmAffinityFromInternal),
		addConversion(scheme, vmNodeSelectionToInternal, vmNodeSelectionFromInternal),
		addConversion(scheme, vmPreemptionToInternal, vmPreemptionFromInternal),
		addConversion(scheme, vmTaintTolerationToInternal, vmTaintTolerationFromInternal),
		addConversion(scheme, vmUtilizationToInternal, vmUtilizationFromInternal),
	)
}

func addConversion[V, I any](scheme *runtime.Scheme, toInternal func(*V, *I), fromInternal func(*I, *V)) error {
	return errors.Join(
		scheme.AddConversionFunc((*V)(nil), (*I)(nil), typed(toInternal)),
		scheme.AddConversionFunc((*I)(nil), (*V)(nil), typed(fromInternal)),
	)
}

// typed makes of a conversion between two types what a scheme calls.
func typed[A, B any](convert func(*A, *B)) conversion.ConversionFunc {
	return func(a, b any, _ conversion.Scope) error {
		in, ok := a.(*A)
		if !ok {
			return fmt.Errorf("converting plugin arguments: got %T, want %T", a, in)
		}
		out, ok := b.(*B)
		if !ok {
			return fmt.Errorf("converting plugin arguments: got %T, want %T", b, out)
		}
		convert(in, out)
		return nil
	}
}
