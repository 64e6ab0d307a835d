// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package clusterview

import (
	"slices"
	"testing"
	"time"
)

// A refresh after one VM was placed is what every scheduling cycle pays. The race detector makes it some ten times slower: this is
// tested without it (hack/test.sh). Other work on the machine makes a refresh slower, never quicker, so the quickest counts.
func TestRefreshIsFast(t *testing.T) {
	const limit, rounds = 100 * time.Microsecond, 500
	for name, follow := range map[string]func(*View){"bare": func(*View) {}, "with index": (*View).FollowAffinity} {
		t.Run(name, func(t *testing.T) {
			r, pods := large(t, largeNodes, largeVMs)
			follow(r.view)
			r.refresh(t)
			took := make([]time.Duration, rounds)
			for i := range took {
				after := largePod(i, largeNodes)
				must(t, r.cache.UpdatePod(r.logger, pods[i], after))
				must(t, r.cache.UpdateSnapshot(r.logger, r.snapshot))
				reads := r.view.reads
				start := time.Now()
				must(t, r.view.Refresh())
				took[i] = time.Since(start)
				if got := r.view.reads - reads; got != 1 {
					t.Fatalf("%d hosts were read, want the one that changed", got)
				}
			}
			slices.Sort(took)
			t.Logf("quickest %s, median %s, slowest %s", took[0], took[rounds/2], took[rounds-1])
			if took[0] > limit {
				t.Errorf("the quickest of %d refreshes took %s, want at most %s", rounds, took[0], limit)
			}
		})
	}
}
