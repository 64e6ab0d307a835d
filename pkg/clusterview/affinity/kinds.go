// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"iter"

	fwk "k8s.io/kube-scheduler/framework"
)

// Kind is where in a pod's spec a term is.
type Kind uint8

// Kinds is a set of them: RequiredAffinity | PreferredAffinity.
type Kinds = Kind

// What a pod's terms are.
const (
	RequiredAntiAffinity Kind = 1 << iota
	RequiredAffinity
	PreferredAffinity
	PreferredAntiAffinity
)

// ownedTerm is a term as a pod has it.
type ownedTerm struct {
	kind Kind
	term *fwk.AffinityTerm
	// weight is 1 for required terms: they are counted by pod.
	weight int64
}

// termsOf yields the terms of a pod.
func termsOf(pod fwk.PodInfo) iter.Seq[ownedTerm] {
	return func(yield func(ownedTerm) bool) {
		for _, required := range [...]struct {
			kind  Kind
			terms []fwk.AffinityTerm
		}{
			{RequiredAntiAffinity, pod.GetRequiredAntiAffinityTerms()},
			{RequiredAffinity, pod.GetRequiredAffinityTerms()},
		} {
			for i := range required.terms {
				if !yield(ownedTerm{required.kind, &required.terms[i], 1}) {
					return
				}
			}
		}
		for _, preferred := range [...]struct {
			kind  Kind
			terms []fwk.WeightedAffinityTerm
		}{
			{PreferredAffinity, pod.GetPreferredAffinityTerms()},
			{PreferredAntiAffinity, pod.GetPreferredAntiAffinityTerms()},
		} {
			for i := range preferred.terms {
				if !yield(ownedTerm{preferred.kind, &preferred.terms[i].AffinityTerm, int64(preferred.terms[i].Weight)}) {
					return
				}
			}
		}
	}
}
