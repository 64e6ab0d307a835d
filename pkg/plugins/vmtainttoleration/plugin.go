// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/features"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/taint"
)

// VMTaintToleration filters and scores hosts for VMs by their taints and conditions; for pods that are no VMs it does
// nothing. All that it needs is in the pod and the node: it keeps no state, in a cycle or between cycles.
type VMTaintToleration struct {
	admission   taint.Admission
	cleanliness taint.Cleanliness
}

var (
	_ fwk.PreFilterPlugin   = &VMTaintToleration{}
	_ fwk.FilterPlugin      = &VMTaintToleration{}
	_ fwk.PreScorePlugin    = &VMTaintToleration{}
	_ fwk.ScorePlugin       = &VMTaintToleration{}
	_ fwk.EnqueueExtensions = &VMTaintToleration{}
	_ fwk.SignPlugin        = &VMTaintToleration{}
)

const (
	// Name is the plugin's name in a KubeSchedulerConfiguration.
	Name = "VMTaintToleration"

	// vmSignerName is the key of the part of a signature that tells VMs from other pods, in upstream's form.
	vmSignerName = "v1.Pod.Labels.IsVirtualMachine()"
)

// New returns the plugin.
func New(_ context.Context, obj runtime.Object, _ fwk.Handle) (fwk.Plugin, error) {
	args, err := validation.Args(obj, validation.ValidateVMTaintTolerationArgs)
	if err != nil {
		return nil, err
	}
	// As upstream's plugin and the taint manager: what a toleration matches has to be the same everywhere.
	return newPlugin(args, utilfeature.DefaultFeatureGate.Enabled(features.TaintTolerationComparisonOperators)), nil
}

func newPlugin(args *config.VMTaintTolerationArgs, compare bool) *VMTaintToleration {
	pl := &VMTaintToleration{
		admission: taint.Admission{Evacuation: taint.KeysOf(args.EvacuationTaints), Compare: compare},
		cleanliness: taint.Cleanliness{
			Tolerated:  args.ToleratedTaintWeight,
			Prefer:     args.PreferNoScheduleTaintWeight,
			Ignored:    taint.KeysOf(args.IgnoredTaints),
			Conditions: taint.Conditions{},
			Compare:    compare,
		},
	}
	if args.ShortestToleration != nil {
		pl.admission.Shortest = *args.ShortestToleration
	}
	for _, c := range args.AdverseConditions {
		pl.cleanliness.Conditions.Add(c.Type, c.Status, c.Weight)
	}
	return pl
}

// Name implements fwk.Plugin.
func (pl *VMTaintToleration) Name() string { return Name }

// SignPod signs what verdict and score depend on beside the node: the tolerations, whatever their order, and being a VM.
// The VM itself does not matter, nor does its VirtualMachineInstance. Of other pods there is nothing to sign.
func (pl *VMTaintToleration) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if !adapt.IsVM(pod) {
		return nil, nil
	}
	return []fwk.SignFragment{
		{Key: vmSignerName, Value: true},
		{Key: fwk.TolerationsSignerName, Value: fwk.TolerationsSigner(pod)},
	}, nil
}
