// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"context"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/heartbeats"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
)

// VMNodeSelection filters and scores hosts for VMs; for pods that are no VMs it does nothing.
type VMNodeSelection struct {
	handle fwk.Handle
	view   *clusterview.View
	beats  *heartbeats.Source

	tolerance time.Duration
	// insist has the classes of labels that hosts must publish.
	insist fit.Classes
	// saturation is the number of other hosts at which a host has the best score.
	saturation int

	guests    guests
	relations relations
	catalog   atomic.Pointer[catalog]
}

var (
	_ fwk.PreFilterPlugin   = &VMNodeSelection{}
	_ fwk.FilterPlugin      = &VMNodeSelection{}
	_ fwk.PreScorePlugin    = &VMNodeSelection{}
	_ fwk.ScorePlugin       = &VMNodeSelection{}
	_ fwk.EnqueueExtensions = &VMNodeSelection{}
	_ fwk.SignPlugin        = &VMNodeSelection{}
)

const (
	// Name is the plugin's name in a KubeSchedulerConfiguration.
	Name = "VMNodeSelection"

	reasonNotSigned = "which hosts are for a VM depends on its VirtualMachineInstance, not on its pod alone"
)

// NewFactory returns the factory of the plugin. All that it makes take what they know of VMs and hosts from one pool
// of views, and of virt-handlers from one of heartbeats.
func NewFactory(views *clusterview.Pool, beats *heartbeats.Pool) frameworkruntime.PluginFactory {
	return func(ctx context.Context, obj runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		args, err := validation.Args(obj, validation.ValidateVMNodeSelectionArgs)
		if err != nil {
			return nil, err
		}
		view, err := views.For(ctx, handle)
		if err != nil {
			return nil, err
		}
		source, err := beats.For(ctx, handle)
		if err != nil {
			return nil, err
		}
		pl := &VMNodeSelection{
			handle: handle, view: view, beats: source,
			tolerance: args.HeartbeatTolerance, saturation: int(args.MigratabilitySaturation),
		}
		if args.RequirePublished {
			pl.insist = fit.AllClasses
		}
		return pl, nil
	}
}

// Name implements fwk.Plugin.
func (pl *VMNodeSelection) Name() string { return Name }

// SignPod refuses to sign VMs: two equal launcher pods may hold guests with different wishes, and a
// VirtualMachineInstance changes without its pod. For other pods there is nothing to sign, so that they are batched.
func (pl *VMNodeSelection) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if adapt.IsVM(pod) {
		return nil, fwk.NewStatus(fwk.Unschedulable, reasonNotSigned)
	}
	return nil, nil
}
