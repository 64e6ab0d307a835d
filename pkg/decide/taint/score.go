// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package taint

import (
	corev1 "k8s.io/api/core/v1"
)

// Clean is the score of a host that has nothing against it.
const Clean int64 = 100

// half is the dirt at which a host has half the score of a clean one.
const half = 100

// Conditions holds the weights of conditions that a host should not have. By status first: most conditions of most hosts
// have the one that nobody lists, and are done with.
type Conditions map[corev1.ConditionStatus]map[corev1.NodeConditionType]int64

// Add sets the weight of a condition.
func (c Conditions) Add(t corev1.NodeConditionType, status corev1.ConditionStatus, weight int64) {
	if c[status] == nil {
		c[status] = map[corev1.NodeConditionType]int64{}
	}
	c[status][t] = weight
}

// Cleanliness is what makes one host less clean than another. Weights are not negative.
type Cleanliness struct {
	// Tolerated is the weight of a taint that would repel the VM if it were not tolerated.
	Tolerated int64
	// Prefer is the weight of a PreferNoSchedule taint that is not tolerated.
	Prefer int64
	// Ignored holds the keys of taints that do not count.
	Ignored Keys
	// Conditions that a host should not have.
	Conditions Conditions
	// Compare as in Admission.
	Compare bool
}

// Dirt adds up what a host has against it, in weights; 0 for a clean host. It does not allocate.
func (c *Cleanliness) Dirt(tolerations []corev1.Toleration, taints []corev1.Taint, conditions []corev1.NodeCondition) int64 {
	var dirt int64
	for i := range taints {
		if weight := c.weigh(tolerations, &taints[i]); weight > 0 && !c.Ignored.Has(taints[i].Key) {
			dirt += weight
		}
	}
	if len(c.Conditions) == 0 {
		return dirt
	}
	for i := range conditions {
		if weights := c.Conditions[conditions[i].Status]; weights != nil {
			dirt += weights[conditions[i].Type]
		}
	}
	return dirt
}

func (c *Cleanliness) weigh(tolerations []corev1.Toleration, taint *corev1.Taint) int64 {
	switch taint.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute:
		// Whether it is tolerated was for the filters to see: a host that is scored has passed them.
		return c.Tolerated
	case corev1.TaintEffectPreferNoSchedule:
		if !tolerated(tolerations, taint, c.Compare) {
			return c.Prefer
		}
	}
	return 0
}

// Score turns dirt into a score: 100 for a clean host, 50 at a dirt of 100, 33 at 200, and so on towards 0. It does not
// depend on the other hosts.
func Score(dirt int64) int64 {
	if dirt <= 0 {
		return Clean
	}
	return Clean * half / (half + dirt)
}
