// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"fmt"

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
	if err := addVMNodeSelectionConversions(scheme); err != nil {
		return err
	}
	if err := addVMTaintTolerationConversions(scheme); err != nil {
		return err
	}
	return addVMUtilizationConversions(scheme)
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
