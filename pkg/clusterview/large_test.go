// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package clusterview

import (
	"runtime"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
)

// These tests are of a large cluster, and the race detector makes it many times slower: hack/test.sh runs them without it.

// A refresh after one VM was placed is what every scheduling cycle pays. Other work on the machine makes a refresh slower,
// never quicker, so the quickest counts.
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

// What the view keeps per VM, besides the snapshot and what is known of the VM anyway. The index of pods, which the shipped profiles
// use, has a limit of its own; it takes some 40 bytes more for each label that VMs have and terms ask for.
func TestMemoryPerVM(t *testing.T) {
	tests := map[string]struct {
		use   func(*testing.T, *rig)
		limit int64 // bytes
	}{
		"bare": {use: func(t *testing.T, r *rig) { t.Helper(); r.refresh(t) }, limit: 200},
		"with index, one label asked for": {use: func(t *testing.T, r *rig) {
			t.Helper()
			r.view.FollowAffinity()
			r.refresh(t)
			term := fwk.AffinityTerm{
				Namespaces: sets.New("default"), NamespaceSelector: labels.Nothing(),
				Selector: labels.SelectorFromSet(labels.Set{largeGroup: "0"}), TopologyKey: corev1.LabelHostname,
			}
			if !r.view.Affinity().Count([]fwk.AffinityTerm{term}).Any() {
				t.Fatal("no VM of the group is found")
			}
		}, limit: 400},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r, pods := large(t, largeNodes, largeVMs)
			before := heap()
			tc.use(t, r)
			grown := (heap() - before) / largeVMs
			if grown > tc.limit {
				t.Errorf("the view takes %d bytes per VM, want at most %d", grown, tc.limit)
			}
			// After every pod has been updated: nothing of the pods that were there before is kept.
			for i, pod := range pods {
				after := largePod(i, largeNodes)
				must(t, r.cache.UpdatePod(r.logger, pod, after))
				pods[i] = after
				if i%1000 == 0 {
					r.refresh(t)
				}
			}
			r.refresh(t)
			with := heap()
			r.view, r.vms.changed, r.failures.changed = nil, nil, nil // the only references to it
			kept := (with - heap()) / largeVMs
			if kept > tc.limit {
				t.Errorf("after updates of all pods the view takes %d bytes per VM, want at most %d", kept, tc.limit)
			}
			t.Logf("%d bytes per VM, %d after updates of all pods", grown, kept)
			runtime.KeepAlive(r)
			runtime.KeepAlive(pods)
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
