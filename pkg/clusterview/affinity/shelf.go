// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// shelf finds terms by the labels and the namespace of a pod. Each item is filed under the values of one equality
// requirement of its term's selector, for each of the term's namespaces. One without such a requirement is loose: it is
// tried for every pod of its namespaces.
type shelf[T comparable] struct {
	under map[label][]T
	// keys are those in under, with how often they are there: they are far fewer than the labels of pods.
	keys map[string]int
}

// label is one that pods of a namespace have; no namespace stands for all.
type label struct{ namespace, key, value string }

const (
	// maxNamespaces is in how many a term is filed: one of more, or with a selector of them, is filed under all.
	maxNamespaces = 8
	// looseCost is more than what any term costs that is filed under a label.
	looseCost = 1 << 32
)

func newShelf[T comparable]() shelf[T] {
	return shelf[T]{under: map[label][]T{}, keys: map[string]int{}}
}

// choose returns the number of the requirement under which a term is best filed: where fewest others are. So a label
// that all pods have collects no terms as long as these ask for another.
func (s *shelf[T]) choose(term *fwk.AffinityTerm) (number, cost int) {
	number, cost = loose, looseCost
	for i := range equalities(term.Selector) {
		others := 0
		for _, at := range labelsOf(term, i) {
			others += 1 + len(s.under[at])
		}
		if others < cost {
			number, cost = i, others
		}
	}
	return number, cost
}

// labelsOf returns what a pod must have one of to match the term, as its requirement of that number says.
func labelsOf(term *fwk.AffinityTerm, number int) []label {
	key, values := noKey, []string{""}
	if number != loose {
		requirements, _ := term.Selector.Requirements()
		key, values = requirements[number].Key(), valuesOf(&requirements[number])
	}
	if selects(term.NamespaceSelector) || len(term.Namespaces) > maxNamespaces {
		return appendLabels(make([]label, 0, len(values)), "", key, values)
	}
	all := make([]label, 0, len(term.Namespaces)*len(values))
	for namespace := range term.Namespaces {
		all = appendLabels(all, namespace, key, values)
	}
	return all
}

// sure is true when a pod that has one of these labels matches for certain.
func sure(term *fwk.AffinityTerm, number int) bool {
	requirements, _ := term.Selector.Requirements()
	if len(requirements) > 1 || len(requirements) == 1 && number == loose {
		return false
	}
	if selects(term.NamespaceSelector) {
		return term.NamespaceSelector.Empty()
	}
	return len(term.Namespaces) <= maxNamespaces && !term.Namespaces.Has("")
}

func appendLabels(to []label, namespace, key string, values []string) []label {
	for _, value := range values {
		to = append(to, label{namespace, key, value})
	}
	return to
}

func (s *shelf[T]) put(item T, under []label) {
	for _, at := range under {
		s.under[at] = append(s.under[at], item)
		s.keys[at.key]++
	}
}

func (s *shelf[T]) take(item T, under []label) {
	for _, at := range under {
		if rest := without(s.under[at], item); len(rest) > 0 {
			s.under[at] = rest
		} else {
			delete(s.under, at)
		}
		if s.keys[at.key]--; s.keys[at.key] == 0 {
			delete(s.keys, at.key)
		}
	}
}

// each calls f for the items whose term may match the pod, each once: a pod has one namespace, and one value of a label.
func (s *shelf[T]) each(pod *corev1.Pod, f func(T)) {
	if len(s.keys) > len(pod.Labels) {
		s.at(pod.Namespace, noKey, "", f)
		for key, value := range pod.Labels {
			if s.keys[key] > 0 {
				s.at(pod.Namespace, key, value, f)
			}
		}
		return
	}
	for key := range s.keys {
		if value, ok := pod.Labels[key]; ok || key == noKey {
			s.at(pod.Namespace, key, value, f)
		}
	}
}

func (s *shelf[T]) at(namespace, key, value string, f func(T)) {
	for _, item := range s.under[label{"", key, value}] {
		f(item)
	}
	if namespace == "" {
		return // in no cluster, but in tests of others
	}
	for _, item := range s.under[label{namespace, key, value}] {
		f(item)
	}
}

// without takes an item out of a list in no order.
func without[T comparable](list []T, item T) []T {
	i := slices.Index(list, item)
	last := len(list) - 1
	list[i] = list[last]
	clear(list[last:])
	return list[:last]
}
