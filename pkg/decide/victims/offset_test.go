// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func TestOffset(t *testing.T) {
	tests := map[string]struct {
		uid  types.UID
		n    int
		want int
	}{
		// FNV-1a of the UID by another implementation (Python), modulo n: it must not change from release to release of a scheduler.
		"one":       {uid: "6f1b0f7e-0d0c-4a57-8a52-0a0c1d9a2b11", n: 5000, want: 3043},
		"another":   {uid: "6f1b0f7e-0d0c-4a57-8a52-0a0c1d9a2b12", n: 5000, want: 1254},
		"no UID":    {n: 7, want: 2},
		"one node":  {uid: "a", n: 1},
		"no nodes":  {uid: "a"},
		"fewer yet": {uid: "a", n: -3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Offset(tc.uid, tc.n); got != tc.want {
				t.Errorf("Offset(%q, %d) = %d, want %d", tc.uid, tc.n, got, tc.want)
			}
		})
	}
}

// UIDs that differ in their last digits only begin everywhere about equally often.
func TestOffsetSpreads(t *testing.T) {
	const nodes, each = 16, 500
	times := make([]int, nodes)
	for i := range nodes * each {
		times[Offset(types.UID(fmt.Sprintf("6f1b0f7e-0d0c-4a57-8a52-%012x", i)), nodes)]++
	}
	for node, n := range times {
		if n < each*8/10 || n > each*12/10 {
			t.Errorf("node %d: %d times, want %d, within a fifth", node, n, each)
		}
	}
}
