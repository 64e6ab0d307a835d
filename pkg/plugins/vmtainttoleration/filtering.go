// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/taint"
)

// PreFilter skips Filter for pods that are no VMs, and for VMs whose tolerations are all good enough for any taint.
func (pl *VMTaintToleration) PreFilter(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if !adapt.IsVM(pod) || !pl.admission.Concerns(pod.Spec.Tolerations) {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	return nil, nil
}

// PreFilterExtensions implements fwk.PreFilterPlugin. Other pods do not matter.
func (pl *VMTaintToleration) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

// Filter refuses hosts whose taints the VM tolerates, but not well enough. No preemption can help there.
func (pl *VMTaintToleration) Filter(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, host fwk.NodeInfo) *fwk.Status {
	taints := host.Node().Spec.Taints
	if len(taints) == 0 || !adapt.IsVM(pod) {
		return nil
	}
	verdict := pl.admission.Judge(pod.Spec.Tolerations, taints)
	if verdict.OK() {
		return nil
	}
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, pl.reason(verdict))
}

// reason says why a host was refused, and what to do about it. The scheduler counts hosts by reason: neither the host's
// name nor the taint's value, which with our own taint names an incident, may be in it.
func (pl *VMTaintToleration) reason(v taint.Verdict) string {
	if v.Rule == taint.Keyless {
		return fmt.Sprintf("node(s) had evacuation taint {%s: %s}, which a toleration without a key does not admit a VM to; "+
			"to place it there all the same, name the key in a toleration", v.Key, v.Effect)
	}
	enough := "without tolerationSeconds"
	if pl.admission.Shortest > 0 {
		enough = "for " + pl.admission.Shortest.String() + " or longer"
	}
	return fmt.Sprintf("node(s) had taint {%s: %s}, which the VM tolerates for %d s only, to be evicted then; "+
		"to place it there all the same, tolerate the taint %s", v.Key, v.Effect, v.Seconds, enough)
}
