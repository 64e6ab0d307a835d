// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"k8s.io/apimachinery/pkg/runtime"
)

// DeepCopy returns a copy that shares nothing with in.
func (in *VMUtilizationArgs) DeepCopy() *VMUtilizationArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.Strategy = clone(in.Strategy)
	out.CPUOvercommitPercent = clone(in.CPUOvercommitPercent)
	out.MemoryOvercommitPercent = clone(in.MemoryOvercommitPercent)
	out.CPUAllocationRatio = clone(in.CPUAllocationRatio)
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

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
