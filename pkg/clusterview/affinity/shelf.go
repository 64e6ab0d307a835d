// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// shelf finds selectors by the labels of a pod: each item is filed under the labels of one equality requirement of its
// selector, or is loose when it has none. Loose ones are tried for every pod.
type shelf[T comparable] struct {
	under map[pair][]T
	loose []T
}

func newShelf[T comparable]() shelf[T] { return shelf[T]{under: map[pair][]T{}} }

// choose returns the number of the requirement under which an item is best filed: where fewest others are. So a label
// that all pods have collects no items as long as these ask for another.
func (s *shelf[T]) choose(selector labels.Selector) (number, cost int) {
	number = loose
	requirements, equal := equalities(selector)
	for _, i := range equal {
		key, others := requirements[i].Key(), 0
		for _, value := range valuesOf(selector, &requirements[i]) {
			others += 1 + len(s.under[pair{key, value}])
		}
		if number == loose || others < cost {
			number, cost = i, others
		}
	}
	return number, cost
}

func (s *shelf[T]) put(item T, pairs []pair) {
	if len(pairs) == 0 {
		s.loose = append(s.loose, item)
		return
	}
	for _, p := range pairs {
		s.under[p] = append(s.under[p], item)
	}
}

func (s *shelf[T]) take(item T, pairs []pair) {
	if len(pairs) == 0 {
		s.loose = without(s.loose, item)
		return
	}
	for _, p := range pairs {
		if rest := without(s.under[p], item); len(rest) > 0 {
			s.under[p] = rest
		} else {
			delete(s.under, p)
		}
	}
}

// each calls f for the items that may select a pod with such labels, each once: a pod has one value of a label.
func (s *shelf[T]) each(of map[string]string, f func(T)) {
	if len(s.under) > 0 {
		for key, value := range of {
			for _, item := range s.under[pair{key, value}] {
				f(item)
			}
		}
	}
	for _, item := range s.loose {
		f(item)
	}
}

// without takes an item out of a list in no order.
func without[T comparable](list []T, item T) []T {
	i := slices.Index(list, item)
	if i < 0 {
		return list
	}
	last := len(list) - 1
	list[i] = list[last]
	clear(list[last:])
	return list[:last]
}
