// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// With -race, as a scheduler does it: one goroutine refreshes; between two refreshes many look at hosts, of the snapshot
// and changed ones; all the time informers tell of VMs and failures. Within a cycle every look finds the same.
func TestManyGoroutines(t *testing.T) {
	const hosts, vms, cycles, workers = 8, 32, 60, 8
	r := testRig(t)
	for i := range hosts {
		r.nodes(fmt.Sprintf("n%d", i))
	}
	uid := func(i int) types.UID { return types.UID(fmt.Sprintf("v%d", i)) }
	for i := range vms {
		r.add(t, makePod(fmt.Sprintf("p%d", i), fmt.Sprintf("n%d", i%hosts)).Launcher(uid(i)).Requests("cpu", "400m").Obj())
	}
	stop := make(chan struct{})
	var informers sync.WaitGroup
	informers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				r.vms.Set(vm(uid(i%vms), int64(1+i%7), gib))
				if i%5 == 0 {
					r.vms.Delete(uid((i + 3) % vms))
				}
			}
		}
	})
	informers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				r.failures.Set(fmt.Sprintf("n%d", i%hosts), i%2 == 0)
				r.view.SelectBy(fmt.Sprintf("key-%d", i%300))
			}
		}
	})
	pod := makePod("new", "").Launcher("new").Obj()
	for cycle := range cycles {
		moved := makePod(fmt.Sprintf("m%d", cycle), fmt.Sprintf("n%d", cycle%hosts)).Launcher(uid(cycle%vms)).Target("job", 0).Obj()
		r.add(t, moved)
		must(t, r.cache.UpdateSnapshot(r.logger, r.snapshot))
		state := framework.NewCycleState()
		_, err := r.view.Begin(t.Context(), state, pod)
		must(t, err)
		r.look(t, workers, state, pod)
		must(t, r.cache.RemovePod(r.logger, moved))
	}
	close(stop)
	informers.Wait()
}

// look looks at all hosts in many goroutines, and compares what they saw.
func (r *rig) look(t *testing.T, workers int, state *framework.CycleState, pod *corev1.Pod) {
	t.Helper()
	list, err := r.snapshot.NodeInfos().List()
	must(t, err)
	type sight struct {
		vms     int
		shared  int64
		failed  bool
		changed int64 // of a NodeInfo that is not in the snapshot
	}
	seen := make([][]sight, workers)
	var filters sync.WaitGroup
	for w := range workers {
		filters.Go(func() {
			for _, info := range list {
				cycle, err := r.view.Cycle(t.Context(), state, pod)
				if err != nil {
					t.Error(err)
					return
				}
				h := cycle.Without(r.view.Host(info))
				copied := info.Snapshot()
				copied.AddPodInfo(podInfo(makePod("nominated", info.Node().Name).Launcher("nominated").Requests("cpu", "400m").Obj()))
				seen[w] = append(seen[w], sight{h.Here.VMs, h.Here.SharedVCPUs, h.Failed, r.view.Host(copied).Here.SharedVCPUs})
				r.view.Classes()
				r.view.GroupsBy("key-1")
			}
		})
	}
	filters.Wait()
	for w := range seen {
		for i, s := range seen[w] {
			if s != seen[0][i] {
				t.Fatalf("host %d: one goroutine sees %+v, another %+v, in one cycle", i, seen[0][i], s)
			}
			if want := s.shared + guessed; s.changed != want {
				t.Fatalf("host %d with a pod more: %d vCPUs, want %d", i, s.changed, want)
			}
		}
	}
}

// guessed is what a pod with 400m is taken for, of whose VM nothing is known.
const guessed = 400 * 10 / 1000
