// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
)

// DeepCopy returns a copy that shares nothing with in.
func (in *VMUtilizationArgs) DeepCopy() *VMUtilizationArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.Resources = slices.Clone(in.Resources)
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMUtilizationArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}
