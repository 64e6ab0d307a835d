// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// budgets finds out whose disruption would be one more than a PodDisruptionBudget allows, if the most important are disrupted
// first. Who is moved, or goes by itself, is not disrupted.
func (p *place) budgets(pdbs []*policyv1.PodDisruptionBudget) {
	if len(pdbs) == 0 {
		return
	}
	left := make([]int32, len(pdbs))
	for b := range pdbs {
		left[b] = pdbs[b].Status.DisruptionsAllowed
	}
	for i := range p.all {
		if c := &p.all[i]; c.needsHome() || c.leaves || c.waits {
			continue
		}
		for b := range pdbs {
			if protects(pdbs[b], p.all[i].pod.GetPod()) {
				left[b]--
				p.all[i].violates = p.all[i].violates || left[b] < 0
			}
		}
	}
}

// protects is true for a budget that a pod counts in, and has not been taken from yet.
func protects(pdb *policyv1.PodDisruptionBudget, pod *corev1.Pod) bool {
	if pdb.Namespace != pod.Namespace {
		return false
	}
	if _, taken := pdb.Status.DisruptedPods[pod.Name]; taken {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(pod.Labels))
}
