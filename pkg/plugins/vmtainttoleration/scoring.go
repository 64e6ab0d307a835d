// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/taint"
)

// PreScore skips Score for pods that are no VMs.
func (pl *VMTaintToleration) PreScore(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) *fwk.Status {
	if !adapt.IsVM(pod) {
		return fwk.NewStatus(fwk.Skip)
	}
	return nil
}

// Score returns how clean a host is, 100 for a clean one.
func (pl *VMTaintToleration) Score(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, host fwk.NodeInfo) (int64, *fwk.Status) {
	node := host.Node()
	dirt := pl.cleanliness.Dirt(pod.Spec.Tolerations, node.Spec.Taints, node.Status.Conditions)
	if dirt > 0 && !adapt.IsVM(pod) { // PreScore was switched off
		return taint.Clean, nil
	}
	return taint.Score(dirt), nil
}

// ScoreExtensions implements fwk.ScorePlugin. A host's score does not depend on the others: one taint somewhere does not
// make it the worst host there is, and a cluster that is dirty all over has no opinion.
func (pl *VMTaintToleration) ScoreExtensions() fwk.ScoreExtensions { return nil }
