// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtopologyspread

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// Launchers that are alike count as one, as long as one of them is there, in each copy of a state for itself.
func TestChange(t *testing.T) {
	before := &counted{
		never: map[types.UID]struct{}{"left": {}}, group: map[types.UID]int{"a": 0, "b": 0, "c": 1}, there: []int{2, 1},
	}
	type step struct {
		pod  types.UID
		by   int
		want bool
	}
	for name, steps := range map[string][]step{
		"one of two goes, and comes back":         {{"a", -1, false}, {"a", 1, false}},
		"both go, and come back":                  {{"a", -1, false}, {"b", -1, true}, {"b", 1, true}, {"a", 1, false}},
		"the only one goes, and comes back":       {{"c", -1, true}, {"c", 1, true}},
		"one that does not count goes, and so on": {{"left", -1, false}, {"left", 1, false}},
		"one of which nothing was noted":          {{"other", -1, true}, {"other", 1, true}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := before.Clone().(*counted)
			for i, s := range steps {
				if got := c.change(s.pod, s.by); got != s.want {
					t.Errorf("step %d: %s by %d changes what counts: %v, want %v", i, s.pod, s.by, got, s.want)
				}
			}
		})
	}
	if before.there[0] != 2 || before.there[1] != 1 {
		t.Errorf("copies have changed the original: %v", before.there)
	}
}
