// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package taint

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// repels is true for taints that keep pods off a host unless they are tolerated.
func repels(taint *corev1.Taint) bool {
	return taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute
}

// Tolerates says whether a toleration matches a taint, as the API defines it and the scheduler and the taint manager see
// it. Comparison operators (Lt, Gt) match nothing unless compare is set: they are behind a feature gate of Kubernetes.
func Tolerates(toleration *corev1.Toleration, taint *corev1.Taint, compare bool) bool {
	if toleration.Effect != "" && toleration.Effect != taint.Effect {
		return false
	}
	if toleration.Key != "" && toleration.Key != taint.Key {
		return false
	}
	switch toleration.Operator {
	case corev1.TolerationOpExists:
		return true
	case corev1.TolerationOpEqual, "":
		return toleration.Value == taint.Value
	case corev1.TolerationOpLt, corev1.TolerationOpGt:
		return compare && comparesWell(toleration, taint)
	default:
		return false
	}
}

// comparesWell says whether the taint's value is less, or greater, than the toleration's.
func comparesWell(toleration *corev1.Toleration, taint *corev1.Taint) bool {
	bound, ok := decimal(toleration.Value)
	if !ok {
		return false
	}
	value, ok := decimal(taint.Value)
	if !ok {
		return false
	}
	if toleration.Operator == corev1.TolerationOpLt {
		return value < bound
	}
	return value > bound
}

// decimal reads a number in the one spelling that the API takes: no plus sign, no leading zeros.
func decimal(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}

// tolerated says whether any of the tolerations matches.
func tolerated(tolerations []corev1.Toleration, taint *corev1.Taint, compare bool) bool {
	for i := range tolerations {
		if Tolerates(&tolerations[i], taint, compare) {
			return true
		}
	}
	return false
}
