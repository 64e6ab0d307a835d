// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	fwk "k8s.io/kube-scheduler/framework"
)

// loose is in place of the number of a requirement: there is none that asks for equality.
const loose = -1

// equalities yields the requirements of a selector that only pods with one of some values of a label can meet, with
// their numbers.
func equalities(s labels.Selector) iter.Seq2[int, *labels.Requirement] {
	return func(yield func(int, *labels.Requirement) bool) {
		requirements, _ := s.Requirements()
		for i := range requirements {
			if operatorOf(&requirements[i]) == selection.In && !yield(i, &requirements[i]) {
				return
			}
		}
	}
}

// valuesOf returns the values of a requirement, each once.
func valuesOf(r *labels.Requirement) []string {
	values := r.ValuesUnsorted()
	if len(values) > 1 {
		slices.Sort(values)
		values = slices.Compact(values)
	}
	return values
}

// operatorOf is the same for operators that mean the same.
func operatorOf(r *labels.Requirement) selection.Operator {
	switch op := r.Operator(); op {
	case selection.Equals, selection.DoubleEquals:
		return selection.In
	case selection.NotEquals:
		return selection.NotIn
	default:
		return op
	}
}

// selects is false for a selector that matches nothing, as is that of a term without one.
func selects(s labels.Selector) bool {
	_, selectable := s.Requirements()
	return selectable
}

// canMatch is false for a term that no pod can match.
func canMatch(term *fwk.AffinityTerm) bool {
	return selects(term.Selector) && (len(term.Namespaces) > 0 || selects(term.NamespaceSelector))
}
