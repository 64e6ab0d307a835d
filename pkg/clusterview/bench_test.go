// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// A large cluster.
const (
	largeNodes = 5000
	largeVMs   = 50000
	largeGroup = "app" // the label of the 50 VMs of a group
)

// large is a cluster of nodes as KubeVirt's node-labeller leaves them, with their VMs spread evenly.
func large(tb testing.TB, nodes, vms int) (*rig, []*corev1.Pod) {
	tb.Helper()
	r := testRig(tb)
	for i := range nodes {
		r.cache.AddNode(r.logger, node(fmt.Sprintf("node-%04d", i), hardware(i)))
	}
	pods := make([]*corev1.Pod, vms)
	for i := range pods {
		pods[i] = largePod(i, nodes)
		r.vms.vms[largeUID(i)] = vm(largeUID(i), int64(1+i%8), 4*gib)
	}
	r.add(tb, pods...)
	must(tb, r.cache.UpdateSnapshot(r.logger, r.snapshot))
	return r, pods
}

func largeUID(i int) types.UID { return types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i)) }

func largePod(i, nodes int) *corev1.Pod {
	// Strings of their own, as decoded ones are.
	uid := types.UID(strings.Clone(string(largeUID(i))))
	pod := makePod(fmt.Sprintf("11111111-0000-4000-8000-%012d", i), fmt.Sprintf("node-%04d", i%nodes)).Launcher(uid).Requests("cpu", "400m", "memory", "4Gi").Obj()
	pod.Labels[largeGroup] = fmt.Sprint(i / 50)
	return pod
}

// hardware is the labels of one of four kinds of hosts, some 120 as on real ones, and of one of twenty racks.
func hardware(i int) map[string]string {
	labels := map[string]string{
		corev1.LabelHostname: fmt.Sprintf("node-%04d", i), corev1.LabelArchStable: "amd64", "kubevirt.io/schedulable": "true",
		"rack": fmt.Sprintf("rack-%d", i%20), "cpu-timer.node.kubevirt.io/tsc-frequency": fmt.Sprint(2_000_000_000 + i),
		fmt.Sprintf("scheduling.node.kubevirt.io/tsc-frequency-%d", 2_000_000_000+i): "true",
	}
	for _, feature := range features[i%len(features)] {
		labels[feature] = "true"
	}
	return labels
}

// features are the CPU features of the four kinds of hosts.
var features = func() (all [4][110]string) {
	for kind := range all {
		for i := range all[kind] {
			all[kind][i] = fmt.Sprintf("cpu-feature.node.kubevirt.io/feature-%d-%d", kind, i)
		}
	}
	return all
}()

// BenchmarkRefresh is what a scheduling cycle pays for the view being up to date, when one node changed since the last
// cycle, as it does when a VM was placed. Upstream's own update of the snapshot comes on top, and is not in it.
// Compare runs with benchstat:
//
//	go test -run=NONE -bench=. -count=6 ./pkg/clusterview
func BenchmarkRefresh(b *testing.B) {
	r, pods := large(b, largeNodes, largeVMs)
	r.refresh(b)
	changes := map[string]func(i int){
		"nothing": func(int) {},
		"one-node": func(i int) {
			pod := pods[i%len(pods)]
			must(b, r.cache.UpdatePod(r.logger, pod, pod))
		},
		"heartbeat": func(i int) {
			before := node(fmt.Sprintf("node-%04d", i%largeNodes), hardware(i%largeNodes))
			r.cache.UpdateNode(r.logger, before, before)
		},
		"label": func(i int) {
			labels := hardware(i % largeNodes)
			labels["kubevirt.io/schedulable"] = fmt.Sprint(i/largeNodes%2 == 1)
			after := node(fmt.Sprintf("node-%04d", i%largeNodes), labels)
			r.cache.UpdateNode(r.logger, after, after)
		},
		"ten-VMIs": func(i int) {
			for k := range 10 {
				r.vms.Set(vm(largeUID((i*10+k)%largeVMs), int64(1+i%8), 4*gib))
			}
		},
	}
	for _, name := range []string{"nothing", "one-node", "ten-VMIs", "heartbeat", "label"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var spent time.Duration
			for i := 0; b.Loop(); i++ {
				changes[name](i)
				must(b, r.cache.UpdateSnapshot(r.logger, r.snapshot))
				start := time.Now()
				must(b, r.view.Refresh())
				spent += time.Since(start)
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "refresh-ns/op")
		})
	}
}

// BenchmarkBuild is what the first cycle pays, and one after so many changes that all is read again.
func BenchmarkBuild(b *testing.B) {
	r, _ := large(b, largeNodes, largeVMs)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			must(b, newView(r.snapshot, &simVMs{vms: r.vms.vms}, r.failures, maxValues).Refresh())
		}
	})
	b.Run("all-again", func(b *testing.B) {
		r.refresh(b)
		for b.Loop() {
			r.view.marks.now.all = true
			r.refresh(b)
		}
	})
	b.Run("new-key", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v := newView(r.snapshot, &simVMs{vms: r.vms.vms}, r.failures, maxValues)
			b.StopTimer()
			must(b, v.Refresh())
			v.SelectBy("rack")
			b.StartTimer()
			must(b, v.Refresh())
		}
	})
}

// BenchmarkHost is what a Filter or Score pays per host.
func BenchmarkHost(b *testing.B) {
	r, _ := large(b, largeNodes, largeVMs)
	r.refresh(b)
	list, err := r.snapshot.NodeInfos().List()
	must(b, err)
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if r.view.Host(list[i%len(list)]).Here.VMs != largeVMs/largeNodes {
				b.Fatal("not the host")
			}
		}
	})
	b.Run("snapshot-parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				_ = r.view.Host(list[i%len(list)])
			}
		})
	})
	b.Run("changed", func(b *testing.B) {
		changed := list[0].Snapshot()
		changed.AddPodInfo(podInfo(largePod(largeVMs, largeNodes)))
		b.ReportAllocs()
		for b.Loop() {
			if r.view.Host(changed).Here.VMs != largeVMs/largeNodes+1 {
				b.Fatal("not the host")
			}
		}
	})
}

func TestHostDoesNotAllocate(t *testing.T) {
	r := testRig(t)
	r.nodes("a", "b")
	r.add(t, makePod("p", "a").Launcher("v").Obj())
	r.refresh(t)
	info, err := r.snapshot.Get("a")
	must(t, err)
	cycle, err := r.view.Begin(t.Context(), framework.NewCycleState(), makePod("q", "").Launcher("w").Obj())
	must(t, err)
	if got := testing.AllocsPerRun(100, func() { cycle.Without(r.view.Host(info)) }); got != 0 {
		t.Errorf("Host() allocates %v times, want none", got)
	}
}
