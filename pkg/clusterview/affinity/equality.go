// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// pair is a label of a pod.
type pair struct{ key, value string }

// loose is in place of the number of a requirement: there is none that asks for equality.
const loose = -1

// equalities returns the requirements of a selector that only pods with one of some values of a label can meet, by
// their numbers.
func equalities(s labels.Selector) (requirements labels.Requirements, numbers []int) {
	requirements, _ = s.Requirements()
	for i := range requirements {
		if operatorOf(&requirements[i]) == selection.In {
			numbers = append(numbers, i)
		}
	}
	return requirements, numbers
}

// valuesOf returns the values of a requirement, each once. Where it asks for equality, all pods that the selector
// selects have one of them.
func valuesOf(s labels.Selector, r *labels.Requirement) []string {
	if value, ok := s.RequiresExactMatch(r.Key()); ok {
		return []string{value}
	}
	values := r.ValuesUnsorted()
	slices.Sort(values)
	return slices.Compact(values)
}

// selects is false for a selector that no pod can match, as is that of a term without one.
func selects(s labels.Selector) bool {
	_, selectable := s.Requirements()
	return selectable
}

// pairsOf returns the labels of which a pod must have one to meet the requirement of that number.
func pairsOf(s labels.Selector, number int) []pair {
	if number == loose {
		return nil
	}
	requirements, _ := s.Requirements()
	r := &requirements[number]
	values := valuesOf(s, r)
	pairs := make([]pair, len(values))
	for i, value := range values {
		pairs[i] = pair{r.Key(), value}
	}
	return pairs
}
