// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
)

const (
	createdBy  = "kubevirt.io/created-by"
	largeNodes = 5000
	largePods  = 50000
)

// cluster is launcher pods spread evenly over nodes that have as many labels as KubeVirt leaves them with.
type cluster struct {
	nodes []*corev1.Node
	pods  []fwk.PodInfo
	// groups is the size of a group whose members stay away from each other.
	groups int
}

func newCluster(pods, groups int) *cluster {
	c := &cluster{nodes: make([]*corev1.Node, largeNodes), pods: make([]fwk.PodInfo, pods), groups: groups}
	for i := range c.nodes {
		c.nodes[i] = makeNode(fmt.Sprintf("node-%04d", i), zone, fmt.Sprint("zone-", i%3))
		for k := range 110 {
			c.nodes[i].Labels[fmt.Sprintf("cpu-feature.node.kubevirt.io/feature-%d", k)] = "true"
		}
	}
	for i := range c.pods {
		c.pods[i] = c.launcher(i)
	}
	return c
}

// launcher is a pod as virt-controller makes it: 12 labels, and every other one was a migration target once. Its
// strings are its own, as decoded ones are.
func (c *cluster) launcher(i int) fwk.PodInfo {
	name, group, uid := fmt.Sprintf("vm-%d", i), c.group(i), uidOf(i)
	b := makePod(fmt.Sprintf("virt-launcher-vm-%d-abcde", i)).Namespace(strings.Clone("default")).Labels(
		"kubevirt.io", "virt-launcher", createdBy, uid, "vm.kubevirt.io/name", name, "kubevirt.io/domain", name,
		"kubevirt.io/nodeName", fmt.Sprintf("node-%04d", i%largeNodes), "kubevirt.io/size", "small", "app", "databases",
		"kubernetes.io/os", "linux", "tier", fmt.Sprint("tier-", i%4), "group", group, "team", fmt.Sprint("team-", i%20), "env", "prod",
	)
	b = b.Term(RequiredAntiAffinity, over(hostname, "group="+group).Spec(), 0)
	if i%2 == 0 {
		b = b.Term(RequiredAntiAffinity, over(hostname, createdBy+"="+uid).Spec(), 0)
	}
	return b.Info()
}

func uidOf(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

// group of a pod, whose members are far from each other in memory.
func (c *cluster) group(i int) string { return fmt.Sprint("group-", i%(1+(len(c.pods)-1)/c.groups)) }

// node of a pod: members of a group are on nodes of their own.
func (c *cluster) node(i int) *corev1.Node {
	return c.nodes[(i+i/len(c.nodes)*37)%len(c.nodes)]
}

// some is another pod each time, far from the one before.
func (c *cluster) some(i int) int { return i * 7919 % len(c.pods) }

func (c *cluster) index() *Index {
	x := New(16, 128, createdBy)
	x.SetSkip(func(pod *corev1.Pod, term *fwk.AffinityTerm) bool {
		uid, ok := term.Selector.RequiresExactMatch(createdBy)
		return ok && uid == pod.Labels[createdBy]
	})
	for i, pod := range c.pods {
		x.Add(pod, c.node(i))
	}
	return x
}

var sizes = []int{2000, largePods}

// BenchmarkChange is a pod that goes and comes back: two changes.
func BenchmarkChange(b *testing.B) {
	for _, pods := range sizes {
		c := newCluster(pods, 3)
		x := c.index()
		run := func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := c.some(i)
				x.Remove(c.pods[at], c.node(at))
				x.Add(c.pods[at], c.node(at))
			}
		}
		b.Run(fmt.Sprintf("pods=%d", pods), run)
		for at := range 4 { // four keys are followed, and as many counts kept
			x.Count([]fwk.AffinityTerm{over(hostname, fmt.Sprintf("kubevirt.io=virt-launcher,tier=tier-%d,env=prod,group notin (g)", at)).Obj()})
			x.Count([]fwk.AffinityTerm{over(hostname, "group="+c.group(at)).Obj()})
		}
		b.Run(fmt.Sprintf("pods=%d/asked", pods), run)
	}
}

// BenchmarkCount is a question for the members of a group, another one each time, and one for most pods.
func BenchmarkCount(b *testing.B) {
	for _, group := range []int{3, 50} {
		for _, pods := range sizes {
			c := newCluster(pods, group)
			x := c.index()
			b.Run(fmt.Sprintf("group=%d/pods=%d", group, pods), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					terms := c.pods[c.some(i)].GetRequiredAntiAffinityTerms()[:1]
					if !x.Count(terms).Any() {
						b.Fatal("no pod is found")
					}
				}
			})
			if group > 3 {
				continue
			}
			many := []fwk.AffinityTerm{over(zone, "app=databases").Obj()}
			b.Run(fmt.Sprintf("kept/pods=%d", pods), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !x.Count(many).Any() {
						b.Fatal("no pod is found")
					}
				}
			})
		}
	}
}

// BenchmarkOwned finds the terms of a group's members that match another member.
func BenchmarkOwned(b *testing.B) {
	for _, pods := range sizes {
		c := newCluster(pods, 3)
		x := c.index()
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				found := 0
				x.Owned(c.pods[c.some(i)].GetPod(), labels.Set{}, RequiredAntiAffinity, func(Owned) { found++ })
				if found != 1 {
					b.Fatalf("%d terms, want that of the group", found)
				}
			}
		})
	}
}

// BenchmarkFirst is a question that is asked for the first time, of a key that is not known and of many pods.
func BenchmarkFirst(b *testing.B) {
	c := newCluster(largePods, 3)
	x := c.index()
	b.Run("key", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			clear(x.postings.byKey)
			x.Count(c.pods[c.some(i)].GetRequiredAntiAffinityTerms()[:1])
		}
	})
	b.Run("count", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			x.Count([]fwk.AffinityTerm{over(zone, fmt.Sprintf("app=databases,group notin (g%d)", i)).Obj()})
		}
	})
	b.Run("all", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			x.Count([]fwk.AffinityTerm{over(zone, fmt.Sprintf("group notin (g%d)", i)).Obj()})
		}
	})
}

// What the index keeps of pods and terms, besides the pods.
func TestMemory(t *testing.T) {
	const limit = 20 << 20 // bytes in all
	c := newCluster(largePods, 3)
	before := heap()
	x := c.index()
	bare := heap() - before
	x.Count(c.pods[0].GetRequiredAntiAffinityTerms()[:1])
	asked := heap() - before
	if n := len(x.terms.byHash); n != largePods/3+1 {
		t.Fatalf("%d terms, want one of each group", n)
	}
	// After every pod has been updated: nothing of the pods that were there before is kept.
	for i, pod := range c.pods {
		c.pods[i] = c.launcher(i)
		x.Remove(pod, c.node(i))
		x.Add(c.pods[i], c.node(i))
	}
	// And every node: nothing of them either.
	for i, node := range c.nodes {
		c.nodes[i] = node.DeepCopy()
		x.Renew(c.nodes[i])
	}
	with := heap()
	kept := x.Len()
	x = nil
	updated := with - heap()
	for what, size := range map[string]int64{"at first": bare, "with a posting": asked, "after updates of all": updated} {
		if size > limit {
			t.Errorf("%s the index takes %d bytes, want at most %d", what, size, limit)
		}
	}
	t.Logf("%d bytes per pod; %d with a posting, %d after updates of all pods and nodes", bare/largePods, asked/largePods, updated/largePods)
	terms := int64(largePods/3 + 1)
	runtime.KeepAlive(kept)
	t.Logf("%d bytes per term of three pods at most", bare/terms)
	runtime.KeepAlive(c)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkCold is how long an answer takes after the processor's caches have been filled with other things, as they
// are at each cycle of a large cluster; only the pod that asks is at hand. Run it with a number of rounds:
//
//	go test -run=NONE -bench=Cold -benchtime=1000x ./pkg/clusterview/affinity
func BenchmarkCold(b *testing.B) {
	other := make([]byte, 64<<20)
	for _, pods := range sizes {
		for _, group := range []int{3, 50} {
			c := newCluster(pods, group)
			x := c.index()
			x.Count(c.pods[0].GetRequiredAntiAffinityTerms()[:1])
			ask := map[string]func(at int, fresh fwk.PodInfo){
				"count":  func(_ int, fresh fwk.PodInfo) { x.Count(fresh.GetRequiredAntiAffinityTerms()[:1]) },
				"owned":  func(_ int, fresh fwk.PodInfo) { x.Owned(fresh.GetPod(), nil, RequiredAntiAffinity, func(Owned) {}) },
				"remove": func(at int, _ fwk.PodInfo) { x.Remove(c.pods[at], c.node(at)) },
				"add":    func(at int, fresh fwk.PodInfo) { x.Add(fresh, c.node(at)) },
			}
			for _, what := range []string{"count", "owned", "remove", "add"} {
				b.Run(fmt.Sprintf("%s/group=%d/pods=%d", what, group, pods), func(b *testing.B) {
					var spent []time.Duration
					for i := 0; b.Loop(); i++ {
						at := c.some(i)
						fresh := c.launcher(at)
						for k := 0; k < len(other); k += 64 {
							other[k]++
						}
						runtime.KeepAlive(fmt.Sprint(fresh.GetPod().Labels, fresh.GetRequiredAntiAffinityTerms()))
						start := time.Now()
						ask[what](at, fresh)
						spent = append(spent, time.Since(start))
						switch what {
						case "remove":
							x.Add(c.pods[at], c.node(at))
						case "add":
							x.Remove(fresh, c.node(at))
						}
					}
					slices.Sort(spent)
					b.ReportMetric(float64(spent[len(spent)/2]), "p50-ns")
					b.ReportMetric(float64(spent[len(spent)*99/100]), "p99-ns")
				})
			}
		}
	}
}
