// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
)

// terms are those of the pod that is to be placed, with their namespaces known by name. They are not changed once they
// are made.
type terms struct {
	affinity, anti                   []fwk.AffinityTerm
	preferredAffinity, preferredAnti []fwk.WeightedAffinityTerm
}

// errTerms is what is wrong with the terms of a pod, and not with the scheduler.
var errTerms = errors.New("reading the pod's affinity")

// termsOf reads the terms of a pod.
func (pl *VMAffinity) termsOf(pod *corev1.Pod) (*terms, error) {
	t, err := readTerms(pod)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTerms, err)
	}
	for _, list := range [][]fwk.AffinityTerm{t.affinity, t.anti} {
		for i := range list {
			if err := pl.resolve(&list[i]); err != nil {
				return nil, err
			}
		}
	}
	for _, list := range [][]fwk.WeightedAffinityTerm{t.preferredAffinity, t.preferredAnti} {
		for i := range list {
			if err := pl.resolve(&list[i].AffinityTerm); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

func readTerms(pod *corev1.Pod) (*terms, error) {
	t := &terms{}
	affinity := pod.Spec.Affinity
	if affinity == nil {
		return t, nil
	}
	var faults [4]error
	t.affinity, faults[0] = fwk.GetAffinityTerms(pod, fwk.GetPodAffinityTerms(affinity))
	t.anti, faults[1] = fwk.GetAffinityTerms(pod, fwk.GetPodAntiAffinityTerms(affinity))
	if affinity.PodAffinity != nil {
		t.preferredAffinity, faults[2] = fwk.GetWeightedAffinityTerms(pod, affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if affinity.PodAntiAffinity != nil {
		t.preferredAnti, faults[3] = fwk.GetWeightedAffinityTerms(pod, affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	return t, errors.Join(faults[:]...)
}

// resolve replaces a term's namespace selector by the names of the namespaces that it selects now. One that selects all
// namespaces stays. kube-scheduler 1.34 and 1.35 keep the selector as well and ask it about a namespace without labels, so
// that NotIn and DoesNotExist select all namespaces; kubernetes/kubernetes#138198 mends that.
func (pl *VMAffinity) resolve(term *fwk.AffinityTerm) error {
	if term.NamespaceSelector.Empty() {
		return nil
	}
	if _, selectable := term.NamespaceSelector.Requirements(); !selectable {
		return nil
	}
	selected, err := pl.namespaces.List(term.NamespaceSelector)
	if err != nil {
		return fmt.Errorf("listing namespaces: %w", err)
	}
	for _, namespace := range selected {
		term.Namespaces.Insert(namespace.Name)
	}
	term.NamespaceSelector = labels.Nothing()
	return nil
}

// labelsOf returns the labels of a namespace; none when it is not known.
func (pl *VMAffinity) labelsOf(namespace string) (labels.Set, error) {
	known, err := pl.namespaces.Get(namespace)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	return known.Labels, nil
}

// matchesAll is true when a pod matches all of some terms, and there are any. Their namespaces are known by name.
func matchesAll(terms []fwk.AffinityTerm, pod *corev1.Pod) bool {
	for i := range terms {
		if !terms[i].Matches(pod, nil) {
			return false
		}
	}
	return len(terms) > 0
}

// matchesAny is true when a pod matches one of some terms, which look at the labels of its namespace.
func matchesAny(terms []fwk.AffinityTerm, pod *corev1.Pod, namespace labels.Set) bool {
	for i := range terms {
		if terms[i].Matches(pod, namespace) {
			return true
		}
	}
	return false
}
