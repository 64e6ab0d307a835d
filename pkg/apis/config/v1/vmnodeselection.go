// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// VMNodeSelectionArgs holds the arguments of plugin VMNodeSelection.
type VMNodeSelectionArgs struct {
	metav1.TypeMeta `json:",inline"`

	// HeartbeatTolerance is how long a host may go without a heartbeat of its virt-handler, counted from when the
	// scheduler saw the last one; 150s to 1h. Default 180s. A virt-handler that lives beats every 60 to 132 s.
	HeartbeatTolerance *metav1.Duration `json:"heartbeatTolerance,omitempty"`
	// RequirePublished refuses hosts that publish no label of a class (CPU models, CPU features, machine types, ...) that
	// the VM has wishes in. Default false: KubeVirt's node-labeller may be switched off, or not have run yet.
	RequirePublished *bool `json:"requirePublished,omitempty"`
	// MigratabilitySaturation is the number of other hosts that could take the VM later, above which more of them make a
	// host no better; 1 to 100. Default 3.
	MigratabilitySaturation *int32 `json:"migratabilitySaturation,omitempty"`
}

// Defaults of VMNodeSelectionArgs; what they mean is said at the fields.
const (
	// DefaultHeartbeatTolerance lets no single beat be missed that KubeVirt's jitter allows (132 s), with time to spare for
	// a slow API server. virt-controller itself waits for five minutes.
	DefaultHeartbeatTolerance = 180 * time.Second
	// DefaultMigratabilitySaturation lets two hosts fail, or be drained, before a VM has nowhere to go.
	DefaultMigratabilitySaturation int32 = 3
)

// SetDefaultsVMNodeSelectionArgs fills in what the user left out.
func SetDefaultsVMNodeSelectionArgs(args *VMNodeSelectionArgs) {
	setDefault(&args.HeartbeatTolerance, metav1.Duration{Duration: DefaultHeartbeatTolerance})
	setDefault(&args.RequirePublished, false)
	setDefault(&args.MigratabilitySaturation, DefaultMigratabilitySaturation)
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMNodeSelectionArgs) DeepCopy() *VMNodeSelectionArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.HeartbeatTolerance = clone(in.HeartbeatTolerance)
	out.RequirePublished = clone(in.RequirePublished)
	out.MigratabilitySaturation = clone(in.MigratabilitySaturation)
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMNodeSelectionArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}

func vmNodeSelectionToInternal(in *VMNodeSelectionArgs, out *config.VMNodeSelectionArgs) {
	*out = config.VMNodeSelectionArgs{
		TypeMeta:                out.TypeMeta,
		HeartbeatTolerance:      value(in.HeartbeatTolerance).Duration,
		RequirePublished:        value(in.RequirePublished),
		MigratabilitySaturation: value(in.MigratabilitySaturation),
	}
}

func vmNodeSelectionFromInternal(in *config.VMNodeSelectionArgs, out *VMNodeSelectionArgs) {
	*out = VMNodeSelectionArgs{
		TypeMeta:                out.TypeMeta,
		HeartbeatTolerance:      &metav1.Duration{Duration: in.HeartbeatTolerance},
		RequirePublished:        clone(&in.RequirePublished),
		MigratabilitySaturation: clone(&in.MigratabilitySaturation),
	}
}
