// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtopologyspread

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

// Name is the plugin's name in a KubeSchedulerConfiguration.
const Name = "VMTopologySpread"

// VMTopologySpread is upstream's PodTopologySpread as far as it filters, on nodes as VMs are on them.
type VMTopologySpread struct {
	upstream interface {
		fwk.PreFilterPlugin
		fwk.FilterPlugin
		fwk.EnqueueExtensions
		fwk.SignPlugin
	}
	view *clusterview.View
	// compare is set where Kubernetes' operators Lt and Gt work in tolerations.
	compare bool
}

var (
	_ fwk.PreFilterPlugin   = &VMTopologySpread{}
	_ fwk.FilterPlugin      = &VMTopologySpread{}
	_ fwk.EnqueueExtensions = &VMTopologySpread{}
	_ fwk.SignPlugin        = &VMTopologySpread{}
)

// NewFactory returns the factory of the plugin, which has no arguments. All that it makes take what they know of VMs from one
// pool of views.
func NewFactory(views *clusterview.Pool) frameworkruntime.PluginFactory {
	return func(ctx context.Context, obj runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		if obj != nil {
			return nil, errors.New("VMTopologySpread has no arguments: what it filters by is what pods ask for; default constraints belong to PodTopologySpread")
		}
		view, err := views.For(ctx, handle)
		if err != nil {
			return nil, err
		}
		view.FollowAffinity()
		// Upstream's built-in constraints are preferences, and those of its configuration too: they are scored by upstream's own plugin.
		args := &schedulerconfig.PodTopologySpreadArgs{DefaultingType: schedulerconfig.ListDefaulting}
		features := feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
		made, err := podtopologyspread.New(ctx, args, handle, features)
		if err != nil {
			return nil, err
		}
		upstream, ok := made.(*podtopologyspread.PodTopologySpread)
		if !ok {
			return nil, fmt.Errorf("upstream's PodTopologySpread is a %T", made)
		}
		return &VMTopologySpread{upstream: upstream, view: view, compare: features.EnableTaintTolerationComparisonOperators}, nil
	}
}

// Name implements fwk.Plugin.
func (pl *VMTopologySpread) Name() string { return Name }

// EventsToRegister are upstream's: a VM that moves makes its source pod go.
func (pl *VMTopologySpread) EventsToRegister(ctx context.Context) ([]fwk.ClusterEventWithHint, error) {
	return pl.upstream.EventsToRegister(ctx)
}

// SignPod is upstream's: pods with constraints are not signed, whether they are VMs or not.
func (pl *VMTopologySpread) SignPod(ctx context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	return pl.upstream.SignPod(ctx, pod)
}

// Filter is upstream's, by what PreFilter has counted.
func (pl *VMTopologySpread) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	return pl.upstream.Filter(ctx, apart{state}, pod, info)
}
