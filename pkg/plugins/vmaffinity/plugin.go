// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime"
	listersv1 "k8s.io/client-go/listers/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/taint"
)

// VMAffinity filters and scores hosts by affinity and anti-affinity between pods: for all pods of its profile.
type VMAffinity struct {
	handle     fwk.Handle
	view       *clusterview.View
	namespaces listersv1.NamespaceLister

	hardWeight int64
	// ignorePreferred leaves pods without preferred terms of their own unscored.
	ignorePreferred bool
	// relaxes lets the required affinity of a VM whose host has to be left be a preference.
	relaxes    bool
	evacuation taint.Keys
	repelled   keys
	conceded   concessions
}

var (
	_ fwk.PreFilterPlugin     = &VMAffinity{}
	_ fwk.PreFilterExtensions = &VMAffinity{}
	_ fwk.FilterPlugin        = &VMAffinity{}
	_ fwk.PostFilterPlugin    = &VMAffinity{}
	_ fwk.PreScorePlugin      = &VMAffinity{}
	_ fwk.ScorePlugin         = &VMAffinity{}
	_ fwk.ScoreExtensions     = &VMAffinity{}
	_ fwk.EnqueueExtensions   = &VMAffinity{}
	_ fwk.SignPlugin          = &VMAffinity{}
)

// Name is the plugin's name in a KubeSchedulerConfiguration.
const Name = "VMAffinity"

// NewFactory returns the factory of the plugin. All that it makes take what they know of pods and VMs from one pool.
func NewFactory(views *clusterview.Pool) frameworkruntime.PluginFactory {
	return func(ctx context.Context, obj runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		args, err := validation.Args(obj, validation.ValidateVMAffinityArgs)
		if err != nil {
			return nil, err
		}
		factory := handle.SharedInformerFactory()
		if factory == nil {
			return nil, errors.New("the scheduler's handle has no informers: nothing is known of namespaces")
		}
		view, err := views.For(ctx, handle)
		if err != nil {
			return nil, err
		}
		view.FollowAffinity()
		return newPlugin(args, handle, view, factory.Core().V1().Namespaces().Lister()), nil
	}
}

func newPlugin(args *config.VMAffinityArgs, handle fwk.Handle, view *clusterview.View, namespaces listersv1.NamespaceLister) *VMAffinity {
	return &VMAffinity{
		handle: handle, view: view, namespaces: namespaces,
		hardWeight:      int64(args.HardPodAffinityWeight),
		ignorePreferred: args.IgnorePreferredTermsOfExistingPods,
		relaxes:         args.RequiredAffinityDuringMigration == config.AffinityPreferredOnEvacuation,
		evacuation:      taint.KeysOf(args.EvacuationTaints),
		conceded:        newConcessions(),
	}
}

// Name implements fwk.Plugin.
func (pl *VMAffinity) Name() string { return Name }
