// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corelisters "k8s.io/client-go/listers/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// VMUtilization keeps hosts from being filled with VMs beyond their caps, and scores them for VMs; for pods that are
// no VMs it does nothing.
type VMUtilization struct {
	view   *clusterview.View
	policy rank.Policy
	// caps of the arguments; overrides knows which nodes have their own.
	caps      rank.Caps
	overrides *overrides
	// nodes is for queueing hints only; nil when the handle has no informers.
	nodes corelisters.NodeLister
}

var (
	_ fwk.PreFilterPlugin   = &VMUtilization{}
	_ fwk.FilterPlugin      = &VMUtilization{}
	_ fwk.PreScorePlugin    = &VMUtilization{}
	_ fwk.ScorePlugin       = &VMUtilization{}
	_ fwk.ScoreExtensions   = &VMUtilization{}
	_ fwk.EnqueueExtensions = &VMUtilization{}
	_ fwk.SignPlugin        = &VMUtilization{}
)

const (
	// Name is the plugin's name in a KubeSchedulerConfiguration.
	Name = "VMUtilization"

	reasonNotSigned = "what is said of a VM depends on VirtualMachineInstances, not on its pod alone"
)

// NewFactory returns the factory of the plugin. All that it makes take what they know of hosts from one pool.
func NewFactory(pool *clusterview.Pool) frameworkruntime.PluginFactory {
	return func(ctx context.Context, obj runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		args, err := validation.Args(obj, validation.ValidateVMUtilizationArgs)
		if err != nil {
			return nil, err
		}
		view, err := pool.For(ctx, handle)
		if err != nil {
			return nil, err
		}
		pl := &VMUtilization{view: view, policy: policyOf(args), caps: capsOf(args)}
		if factory := handle.SharedInformerFactory(); factory != nil {
			pl.nodes = factory.Core().V1().Nodes().Lister()
		}
		if pl.overrides, err = followOverrides(ctx, handle, pl.caps); err != nil {
			return nil, err
		}
		return pl, nil
	}
}

// Name implements fwk.Plugin.
func (pl *VMUtilization) Name() string { return Name }

// SignPod refuses to sign VMs: two equal launcher pods may hold guests of different sizes, and the guests on the
// hosts change size without any pod changing. For other pods there is nothing to sign, so that they are batched.
func (pl *VMUtilization) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if adapt.IsVM(pod) {
		return nil, fwk.NewStatus(fwk.Unschedulable, reasonNotSigned)
	}
	return nil, nil
}

// roomFor returns what a host offers to guests. Pods that are no VMs take room away, by their requests: to a guest it
// is all the same why a CPU is busy.
func roomFor(info fwk.NodeInfo, others *clusterview.Requests, pageSize int64) model.Room {
	room := adapt.RoomOf(info.GetAllocatable(), pageSize)
	room.MilliCPU = max(room.MilliCPU-others.MilliCPU, 0)
	room.Memory = max(room.Memory-others.Memory.In(pageSize), 0)
	return room
}

func policyOf(args *config.VMUtilizationArgs) rank.Policy {
	policy := rank.Policy{
		Strategy:         rank.Least,
		CPUOvercommit:    int64(args.CPUOvercommitPercent),
		MemoryOvercommit: int64(args.MemoryOvercommitPercent),
	}
	if args.Strategy == config.StrategyMost {
		policy.Strategy = rank.Most
	}
	for _, r := range args.Resources {
		switch r.Name {
		case config.VMResourceVCPU:
			policy.Weights.VCPU = r.Weight
		case config.VMResourceGuestMemory:
			policy.Weights.GuestMemory = r.Weight
		case config.VMResourceCPURequests:
			policy.Weights.CPURequests = r.Weight
		case config.VMResourceMemoryRequests:
			policy.Weights.MemoryRequests = r.Weight
		}
	}
	return policy
}

func capsOf(args *config.VMUtilizationArgs) rank.Caps {
	var caps rank.Caps
	if percent := args.MaxCPUOvercommitPercent; percent != nil {
		caps.CPU = int64(*percent)
	}
	if percent := args.MaxMemoryOvercommitPercent; percent != nil {
		caps.Memory = int64(*percent)
	}
	return caps
}
