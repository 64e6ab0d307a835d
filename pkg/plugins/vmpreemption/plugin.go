// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	schedulinglisters "k8s.io/client-go/listers/scheduling/v1"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/utils/clock"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/kubevirtsettings"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/perscheduler"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
	"github.com/virt-scheduler/virt-scheduler/pkg/moves"
)

// Name is the plugin's name in a KubeSchedulerConfiguration.
const Name = "VMPreemption"

// VMPreemption makes room for pods by moving VMs.
type VMPreemption struct {
	// DefaultPreemption decides about nodes without VMs that could go; its own evaluator is not used.
	*defaultpreemption.DefaultPreemption
	evaluator *preemption.Evaluator
	// deletePod is what upstream does to a victim that is no VM.
	deletePod func(ctx context.Context, c preemption.Candidate, preemptor, victim *corev1.Pod, pluginName string) error

	handle   framework.Framework
	args     config.VMPreemptionArgs
	rules    victims.Rules
	view     *clusterview.View
	settings *kubevirtsettings.Source
	tracker  *moves.Tracker
	profiles *profiles
	classes  schedulinglisters.PriorityClassLister
	clock    clock.PassiveClock

	fitOnce sync.Once
	fit     bool
	// occupants is used by PostFilter only, of which there is one at a time, as the scheduler has one cycle at a time.
	occupants map[string]*occupants
	promises  *promises
	attempts  attempts
}

var (
	_ fwk.PostFilterPlugin  = &VMPreemption{}
	_ fwk.PreEnqueuePlugin  = &VMPreemption{}
	_ fwk.EnqueueExtensions = &VMPreemption{}
	_ preemption.Interface  = &VMPreemption{}
)

// shared is what the profiles of a scheduler share.
type shared struct {
	views    *clusterview.Pool
	settings *perscheduler.Pool[*kubevirtsettings.Source]
	moves    *moves.Pool
	profiles *perscheduler.Pool[*profiles]
	promises *perscheduler.Pool[*promises]
}

// NewFactory returns the factory of the plugin. All that it makes take what they know of hosts and VMs from one pool of views.
func NewFactory(views *clusterview.Pool, clock clock.WithTicker) frameworkruntime.PluginFactory {
	with := shared{views: views, moves: moves.NewPool(clock)}
	with.settings = perscheduler.NewPool(func(ctx context.Context, handle fwk.Handle) (*kubevirtsettings.Source, error) {
		return kubevirtsettings.Start(ctx, handle.KubeConfig())
	})
	with.profiles = perscheduler.NewPool(func(context.Context, fwk.Handle) (*profiles, error) {
		return &profiles{byName: map[string]framework.Framework{}}, nil
	})
	with.promises = perscheduler.NewPool(func(context.Context, fwk.Handle) (*promises, error) {
		return &promises{byVM: map[types.UID]promise{}}, nil
	})
	return func(ctx context.Context, obj runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		args, err := validation.Args(obj, validation.ValidateVMPreemptionArgs)
		if err != nil {
			return nil, err
		}
		whole, ok := handle.(framework.Framework)
		if !ok {
			return nil, fmt.Errorf("the scheduler's handle is a %T, which runs no PreFilter: where VMs could go cannot be found out", handle)
		}
		if handle.SharedInformerFactory() == nil {
			return nil, errors.New("the scheduler's handle has no informers")
		}
		return newPlugin(ctx, args, whole, with, clock)
	}
}

func newPlugin(ctx context.Context, args *config.VMPreemptionArgs, handle framework.Framework, with shared, clock clock.PassiveClock) (*VMPreemption, error) {
	features := feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
	upstream, err := defaultpreemption.New(ctx, &schedulerconfig.DefaultPreemptionArgs{
		MinCandidateNodesPercentage: args.MinCandidateNodesPercentage, MinCandidateNodesAbsolute: args.MinCandidateNodesAbsolute,
	}, handle, features)
	if err != nil {
		return nil, err
	}
	pl := &VMPreemption{
		DefaultPreemption: upstream, handle: handle, args: *args, rules: rulesOf(args), clock: clock,
		classes:   handle.SharedInformerFactory().Scheduling().V1().PriorityClasses().Lister(),
		occupants: map[string]*occupants{},
	}
	if pl.view, err = with.views.For(ctx, handle); err != nil {
		return nil, err
	}
	if pl.settings, err = with.settings.For(ctx, handle); err != nil {
		return nil, err
	}
	if pl.tracker, err = with.moves.For(ctx, handle); err != nil {
		return nil, err
	}
	if pl.profiles, err = with.profiles.For(ctx, handle); err != nil {
		return nil, err
	}
	if pl.promises, err = with.promises.For(ctx, handle); err != nil {
		return nil, err
	}
	pl.profiles.add(handle)
	registerMetrics()
	upstream.IsEligiblePod = pl.eligiblePod
	pl.evaluator = preemption.NewEvaluator(Name, handle, pl, features.EnableAsyncPreemption)
	pl.deletePod = pl.evaluator.PreemptPod
	pl.evaluator.PreemptPod = pl.preemptPod
	return pl, nil
}

func rulesOf(args *config.VMPreemptionArgs) victims.Rules {
	return victims.Rules{
		MoveNone:           args.MoveStrategyNone,
		EvictNotMigratable: args.EvictNotMigratable,
		SignalExternal:     args.ExternalVMs == config.ExternalSignal,
		OthersSchedulers:   args.VMsOfOtherSchedulers,
	}
}

// Name implements fwk.Plugin.
func (pl *VMPreemption) Name() string { return Name }
