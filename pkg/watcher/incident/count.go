// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/metrics"
)

// count turns the difference between two stored states into metrics, so that nothing is counted that was not stored.
func count(before *failurev1alpha1.NodeFailureStatus, nf *failurev1alpha1.NodeFailure) {
	now := &nf.Status
	if proof := proofOf(now); proof != nil && proofOf(before) == nil {
		metrics.Proofs.WithLabelValues(string(proof.Kind)).Inc()
		if now.SuspectedAt != nil {
			metrics.SecondsToProof.Observe(proof.At.Sub(now.SuspectedAt.Time).Seconds())
		}
	}
	released := make(map[types.UID]bool, len(before.VMs))
	for i := range before.VMs {
		released[before.VMs[i].PodUID] = before.VMs[i].ReleasedAt != nil
	}
	for i := range now.VMs {
		vm := &now.VMs[i]
		if vm.ReleasedAt != nil && !released[vm.PodUID] && now.SuspectedAt != nil {
			metrics.SecondsToReleased.Observe(vm.ReleasedAt.Sub(now.SuspectedAt.Time).Seconds())
		}
	}
}

func proofOf(s *failurev1alpha1.NodeFailureStatus) *failurev1alpha1.Proof {
	if s.Fence == nil {
		return nil
	}
	return s.Fence.Proof
}
