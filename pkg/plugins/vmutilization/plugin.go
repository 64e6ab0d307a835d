// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	fwk "k8s.io/kube-scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/vmis"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// VMUtilization scores hosts for VMs; for pods that are no VMs it does nothing.
type VMUtilization struct {
	handle fwk.Handle
	vms    *vmis.Source
	policy rank.Policy
}

var (
	_ fwk.PreScorePlugin  = &VMUtilization{}
	_ fwk.ScorePlugin     = &VMUtilization{}
	_ fwk.ScoreExtensions = &VMUtilization{}
	_ fwk.SignPlugin      = &VMUtilization{}
)

const (
	// Name is the plugin's name in a KubeSchedulerConfiguration.
	Name = "VMUtilization"

	reasonNotSigned = "the score of a VM depends on VirtualMachineInstances, not on its pod alone"
)

// NewFactory returns the factory of the plugin. All that it makes take what they know of VMs from one pool.
func NewFactory(pool *vmis.Pool) frameworkruntime.PluginFactory {
	return func(ctx context.Context, obj runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		args, err := getArgs(obj)
		if err != nil {
			return nil, err
		}
		vms, err := pool.For(ctx, handle)
		if err != nil {
			return nil, err
		}
		return &VMUtilization{
			handle: handle, vms: vms,
			policy: policyOf(args),
		}, nil
	}
}

// Name implements fwk.Plugin.
func (pl *VMUtilization) Name() string { return Name }

// SignPod refuses to sign VMs: two equal launcher pods may hold guests of different sizes, and the guests on the
// hosts change size without any pod changing. For other pods there is nothing to sign, so that they are batched.
func (pl *VMUtilization) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if _, ok := adapt.VMOf(pod); ok {
		return nil, fwk.NewStatus(fwk.Unschedulable, reasonNotSigned)
	}
	return nil, nil
}

// vmOf returns the VM of a launcher pod.
func (pl *VMUtilization) vmOf(pod *corev1.Pod) (model.VM, bool) {
	uid, ok := adapt.VMOf(pod)
	if !ok {
		return model.VM{}, false
	}
	if size, known := pl.vms.Size(uid); known {
		return model.VM{UID: uid, Size: size}, true
	}
	return model.VM{UID: uid, Size: adapt.SizeFromPod(pod, adapt.DefaultCPUAllocationRatio), Guessed: true}, true
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
		}
	}
	return policy
}

func getArgs(obj runtime.Object) (*config.VMUtilizationArgs, error) {
	args, ok := obj.(*config.VMUtilizationArgs)
	if !ok {
		return nil, fmt.Errorf("want args to be of type VMUtilizationArgs, got %T", obj)
	}
	if err := validation.ValidateVMUtilizationArgs(field.NewPath("args"), args); err != nil {
		return nil, err
	}
	return args, nil
}
