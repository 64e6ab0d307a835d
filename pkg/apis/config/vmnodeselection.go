// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// VMNodeSelectionArgs holds the arguments of plugin VMNodeSelection.
type VMNodeSelectionArgs struct {
	metav1.TypeMeta

	// HeartbeatTolerance is how long a host may go without a heartbeat of its virt-handler; 150s to 1h.
	HeartbeatTolerance time.Duration
	// RequirePublished refuses hosts that publish no label of a class that the VM has wishes in.
	RequirePublished bool
	// MigratabilitySaturation is the number of other hosts above which more of them make a host no better; 1 to 100.
	MigratabilitySaturation int32
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMNodeSelectionArgs) DeepCopy() *VMNodeSelectionArgs {
	if in == nil {
		return nil
	}
	out := *in
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMNodeSelectionArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}
