// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// AdverseCondition is a node condition that VMs had better keep away from.
type AdverseCondition struct {
	// Type of the condition, such as DiskPressure. Ready cannot be named: Kubernetes taints nodes that are not ready.
	Type string `json:"type"`
	// Status in which the condition is adverse: "True" (the default), "False" or "Unknown".
	Status *string `json:"status,omitempty"`
	// Weight of the condition; 1 to 100. Default 100.
	Weight *int64 `json:"weight,omitempty"`
}

// VMTaintTolerationArgs holds the arguments of plugin VMTaintToleration. A list that is given replaces the default, and
// may be empty.
type VMTaintTolerationArgs struct {
	metav1.TypeMeta `json:",inline"`

	// EvacuationTaints are the keys of taints that VMs are to leave a host for: "domain/name", "name", or "domain/*" for
	// all of a domain. A toleration without a key does not let a VM in to a host that has one with effect NoSchedule or
	// NoExecute. Default: DefaultEvacuationTaints.
	EvacuationTaints []string `json:"evacuationTaints"`
	// ShortestToleration is the shortest tolerationSeconds of a NoExecute taint with which a VM is let in; 1s to 8760h.
	// Default, when left out: only a toleration without tolerationSeconds lets it in.
	ShortestToleration *metav1.Duration `json:"shortestToleration,omitempty"`
	// ToleratedTaintWeight is the weight, in the score, of a NoSchedule or NoExecute taint that the VM tolerates; 0 to 100.
	// Default 25.
	ToleratedTaintWeight *int64 `json:"toleratedTaintWeight,omitempty"`
	// PreferNoScheduleTaintWeight is the weight of a PreferNoSchedule taint that the VM does not tolerate; 0 to 100.
	// Default 50.
	PreferNoScheduleTaintWeight *int64 `json:"preferNoScheduleTaintWeight,omitempty"`
	// IgnoredTaints are the keys of taints that do not count in the score, in the form of EvacuationTaints: those that
	// only say for whom a host is. Default none.
	IgnoredTaints []string `json:"ignoredTaints"`
	// AdverseConditions count in the score, each type and status at most once. Default: DefaultAdverseConditions.
	AdverseConditions []AdverseCondition `json:"adverseConditions"`
}

// DeepCopy returns a copy that shares nothing with in.
func (in *VMTaintTolerationArgs) DeepCopy() *VMTaintTolerationArgs {
	if in == nil {
		return nil
	}
	out := *in
	out.EvacuationTaints = slices.Clone(in.EvacuationTaints)
	out.ShortestToleration = clone(in.ShortestToleration)
	out.ToleratedTaintWeight = clone(in.ToleratedTaintWeight)
	out.PreferNoScheduleTaintWeight = clone(in.PreferNoScheduleTaintWeight)
	out.IgnoredTaints = slices.Clone(in.IgnoredTaints)
	if in.AdverseConditions != nil {
		out.AdverseConditions = make([]AdverseCondition, len(in.AdverseConditions))
		for i, c := range in.AdverseConditions {
			out.AdverseConditions[i] = AdverseCondition{Type: c.Type, Status: clone(c.Status), Weight: clone(c.Weight)}
		}
	}
	return &out
}

// DeepCopyObject implements runtime.Object.
func (in *VMTaintTolerationArgs) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}

// Defaults of VMTaintTolerationArgs; what they mean is said at the fields. Of the weights only the proportions matter
// much: one taint that VMs were let in to on purpose, one that asks them to stay away, one fault of the host.
const (
	DefaultToleratedTaintWeight        int64 = 25
	DefaultPreferNoScheduleTaintWeight int64 = 50
	// DefaultConditionWeight weighs a condition that is named without a weight.
	DefaultConditionWeight int64 = 100
	// nuisanceWeight is that of conditions that guests survive.
	nuisanceWeight int64 = 50
	// driftWeight is that of conditions that guests may not even notice.
	driftWeight int64 = 25
)

// DefaultEvacuationTaints returns the keys that stand for evacuation by default: KubeVirt's own, ours, and those of
// Kubernetes, cloud providers and medik8s for nodes that are being shut down, fenced or maintained. medik8s's operators
// have used keys of both domains: remediation.medik8s.io/{self-node,fence-agents}-remediation today,
// medik8s.io/{remediation,fence-agents-remediation} before, and medik8s.io/drain for node maintenance.
func DefaultEvacuationTaints() []string {
	return []string{
		"kubevirt.io/drain",
		"virt-scheduler.io/node-failure",
		corev1.TaintNodeOutOfService,
		"node.cloudprovider.kubernetes.io/shutdown",
		"medik8s.io/*",
		"remediation.medik8s.io/*",
	}
}

// DefaultAdverseConditions returns Kubernetes' own conditions, and those of the configurations that
// node-problem-detector comes with, without those for Windows.
func DefaultAdverseConditions() []AdverseCondition {
	var all []AdverseCondition
	for _, group := range []struct {
		weight int64
		types  []string
	}{
		{DefaultConditionWeight, []string{
			string(corev1.NodeMemoryPressure), string(corev1.NodeDiskPressure), string(corev1.NodePIDPressure),
			string(corev1.NodeNetworkUnavailable),
			"KernelDeadlock", "ReadonlyFilesystem", "XfsShutdown", "CperHardwareErrorFatal", "DiskBadBlock",
			"KubeletUnhealthy", "ContainerRuntimeUnhealthy",
		}},
		{nuisanceWeight, []string{
			"FrequentKubeletRestart", "FrequentContainerdRestart", "FrequentDockerRestart", "FrequentUnregisterNetDevice",
			"CorruptDockerOverlay2",
		}},
		{driftWeight, []string{"NTPProblem"}},
	} {
		for _, t := range group.types {
			status, weight := string(corev1.ConditionTrue), group.weight
			all = append(all, AdverseCondition{Type: t, Status: &status, Weight: &weight})
		}
	}
	return all
}

// SetDefaultsVMTaintTolerationArgs fills in what the user left out.
func SetDefaultsVMTaintTolerationArgs(args *VMTaintTolerationArgs) {
	setDefault(&args.ToleratedTaintWeight, DefaultToleratedTaintWeight)
	setDefault(&args.PreferNoScheduleTaintWeight, DefaultPreferNoScheduleTaintWeight)
	if args.EvacuationTaints == nil {
		args.EvacuationTaints = DefaultEvacuationTaints()
	}
	if args.AdverseConditions == nil {
		args.AdverseConditions = DefaultAdverseConditions()
	}
	for i := range args.AdverseConditions {
		setDefault(&args.AdverseConditions[i].Status, string(corev1.ConditionTrue))
		setDefault(&args.AdverseConditions[i].Weight, DefaultConditionWeight)
	}
}

func vmTaintTolerationToInternal(in *VMTaintTolerationArgs, out *config.VMTaintTolerationArgs) {
	*out = config.VMTaintTolerationArgs{
		TypeMeta:                    out.TypeMeta,
		EvacuationTaints:            slices.Clone(in.EvacuationTaints),
		ToleratedTaintWeight:        value(in.ToleratedTaintWeight),
		PreferNoScheduleTaintWeight: value(in.PreferNoScheduleTaintWeight),
		IgnoredTaints:               slices.Clone(in.IgnoredTaints),
	}
	if in.ShortestToleration != nil {
		out.ShortestToleration = clone(&in.ShortestToleration.Duration)
	}
	for _, c := range in.AdverseConditions {
		out.AdverseConditions = append(out.AdverseConditions, config.AdverseCondition{
			Type: corev1.NodeConditionType(c.Type), Status: corev1.ConditionStatus(value(c.Status)), Weight: value(c.Weight),
		})
	}
}

// vmTaintTolerationFromInternal writes lists that are empty as empty: to leave them out would mean the default.
func vmTaintTolerationFromInternal(in *config.VMTaintTolerationArgs, out *VMTaintTolerationArgs) {
	*out = VMTaintTolerationArgs{
		TypeMeta:                    out.TypeMeta,
		EvacuationTaints:            append([]string{}, in.EvacuationTaints...),
		ToleratedTaintWeight:        clone(&in.ToleratedTaintWeight),
		PreferNoScheduleTaintWeight: clone(&in.PreferNoScheduleTaintWeight),
		IgnoredTaints:               append([]string{}, in.IgnoredTaints...),
		AdverseConditions:           []AdverseCondition{},
	}
	if in.ShortestToleration != nil {
		out.ShortestToleration = &metav1.Duration{Duration: *in.ShortestToleration}
	}
	for _, c := range in.AdverseConditions {
		status, weight := string(c.Status), c.Weight
		out.AdverseConditions = append(out.AdverseConditions, AdverseCondition{Type: string(c.Type), Status: &status, Weight: &weight})
	}
}
