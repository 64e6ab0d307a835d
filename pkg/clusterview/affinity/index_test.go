// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// What is wrongly asked of the index does not make it wrong.
func TestRemoveUnknown(t *testing.T) {
	east, west := makeNode("east", zone, "e"), makeNode("west", zone, "w")
	b := makePod("a").Labels("app", "db").Term(RequiredAntiAffinity, over(zone, "app=db").Spec(), 0)
	a, same := b.Info(), b.Info()
	terms := []fwk.AffinityTerm{over(zone, "app=db").Obj()}
	kept := []fwk.AffinityTerm{over(zone, "app").NamespaceSelector("").Obj()}
	x := New(4, 4)
	x.Add(a, east)
	text := textOf(RequiredAntiAffinity, &terms[0])
	check := func(after string, want map[string]int64) {
		t.Helper()
		counts, owned := map[string]map[string]int64{}, map[string]map[string]int64{}
		if len(want) > 0 {
			counts[zone], owned[text] = want, want
		}
		for range 2 {
			for _, asked := range [][]fwk.AffinityTerm{terms, kept} {
				if diff := cmp.Diff(counts, countsOf(x.Count(asked), zone)); diff != "" {
					t.Errorf("after %s, Count (-want +got):\n%s", after, diff)
				}
			}
		}
		if diff := cmp.Diff(owned, ownedOf(x, a.GetPod(), nil, RequiredAntiAffinity)); diff != "" {
			t.Errorf("after %s, Owned (-want +got):\n%s", after, diff)
		}
	}
	check("one pod", map[string]int64{"e": 1})
	x.Remove(same, east)
	check("another PodInfo of the pod is removed", map[string]int64{"e": 1})
	x.Add(a, east)
	check("it is added again", map[string]int64{"e": 1})
	x.Add(a, west)
	check("it is moved", map[string]int64{"w": 1})
	x.Remove(a, east)
	check("it is removed with another node", nil)
	x.Remove(a, west)
	check("it is removed twice", nil)
	x.Add(a, nil)
	check("it is added without a node", nil)
	x.Remove(a, nil)
	x.Renew(east)
	if x.Len() != 0 || len(x.hosts.byName) != 0 {
		t.Errorf("%d pods and %d hosts remain, want none", x.Len(), len(x.hosts.byName))
	}
}

// Pods count with the labels that their node had when they were added.
func TestNodeLabels(t *testing.T) {
	before, after := makeNode("n", zone, "before"), makeNode("n", zone, "after")
	a, b := makePod("a").Labels("app", "db").Info(), makePod("b").Labels("app", "db").Info()
	x := New(4, 4)
	count := func() map[string]map[string]int64 {
		return countsOf(x.Count([]fwk.AffinityTerm{over(zone, "app=db").Obj(), over("rack", "app=db").Obj()}), zone, "rack")
	}
	x.Add(a, before)
	x.Add(b, after)
	x.Renew(makeNode("n", zone, "after"))
	x.Renew(makeNode("n", zone, "other"))
	if diff := cmp.Diff(map[string]map[string]int64{zone: {"before": 1, "after": 1}}, count()); diff != "" {
		t.Errorf("while one pod has followed (-want +got):\n%s", diff)
	}
	x.Remove(a, before)
	x.Add(a, after)
	if diff := cmp.Diff(map[string]map[string]int64{zone: {"after": 2}}, count()); diff != "" {
		t.Errorf("when both have (-want +got):\n%s", diff)
	}
	if len(x.hosts.former) != 0 {
		t.Errorf("the host as it was remains")
	}
}

// The labels of a node object that was replaced are not held.
func TestRenewLetsGo(t *testing.T) {
	const nodes = 20
	var mu sync.Mutex
	freed := 0
	x := New(4, 4)
	for i := range nodes {
		node := makeNode(fmt.Sprint("n", i))
		// A label's own memory tells whether the map is held: it is in no other place.
		big := make([]byte, 1<<10)
		runtime.AddCleanup(&big[0], func(int) { mu.Lock(); freed++; mu.Unlock() }, 0)
		node.Labels["big"] = unsafe.String(&big[0], len(big))
		renewed := makeNode(node.Name)
		renewed.Labels["big"] = string(big)
		x.Add(makePod("p").Info(), node)
		x.Renew(renewed)
	}
	for range 10 {
		runtime.GC()
	}
	mu.Lock()
	defer mu.Unlock()
	if freed < nodes/2 {
		t.Errorf("labels of %d of %d replaced nodes are let go", freed, nodes)
	}
	runtime.KeepAlive(x)
}

// Many ask at once, also what makes the index learn and drop what it keeps.
func TestConcurrentQuestions(t *testing.T) {
	x := New(2, 2)
	x.postings.rest, x.hosts.spare = 1, 1
	node := func(i int) *corev1.Node {
		return makeNode(fmt.Sprint("n", i), zone, fmt.Sprint("z", i%3), "rack", fmt.Sprint("r", i%5))
	}
	const pods = 300
	for i := range pods {
		b := makePod(fmt.Sprint("p", i)).Labels("app", "db", "third", fmt.Sprint(i%3), "fifth", fmt.Sprint(i%5), "own", fmt.Sprint(i))
		x.Add(b.Term(RequiredAntiAffinity, over(zone, fmt.Sprint("own=", i)).Spec(), 0).Info(), node(i))
	}
	var done sync.WaitGroup
	for g := range 8 {
		done.Go(func() {
			for i := range 60 {
				for _, q := range []struct {
					key, selector, value string
					want                 int64
				}{
					{zone, "app=db", "z0", pods / 3},
					{"rack", "app=db", "r1", pods / 5},
					{zone, fmt.Sprint("third=", g%3), fmt.Sprint("z", g%3), pods / 3},
					{"rack", fmt.Sprint("fifth=", i%5), fmt.Sprint("r", i%5), pods / 5},
					{hostname, fmt.Sprint("own=", i), fmt.Sprint("n", i), 1},
				} {
					m := x.Count([]fwk.AffinityTerm{over(q.key, q.selector).Obj()})
					if n := m.At(q.key, q.value); n != q.want {
						t.Errorf("Count(%s) over %s is %d, want %d", q.selector, q.key, n, q.want)
					}
				}
				found := 0
				x.Owned(makePod("q").Labels("own", fmt.Sprint(i)).Obj(), nil, RequiredAntiAffinity, func(o Owned) {
					found += int(o.Counts.At(fmt.Sprint("z", i%3)))
				})
				if found != 1 {
					t.Errorf("%d owners, want 1", found)
				}
			}
		})
	}
	done.Wait()
}

func TestCounts(t *testing.T) {
	of := &topology{key: "key", values: map[string]*value{}}
	name := func(i int) *value { return of.hold(map[string]string{"key": fmt.Sprint(i)}) }
	c := Counts{of: of}
	for i := range 2 * fewValues { // up, and each once more
		c.add(name(i), 1)
		c.add(name(i), int64(i))
	}
	for i := range 2 * fewValues {
		if got := c.At(fmt.Sprint(i)); got != int64(i)+1 {
			t.Errorf("At(%d) is %d, want %d", i, got, i+1)
		}
	}
	if c.Len() != 2*fewValues || c.many == nil {
		t.Errorf("%d values, want %d in a map", c.Len(), 2*fewValues)
	}
	c.add(name(99), 0)
	for i := 2*fewValues - 1; i >= 0; i-- { // and down
		if c.Len() != i+1 {
			t.Errorf("%d values, want %d", c.Len(), i+1)
		}
		c.add(name(i), -int64(i)-1)
		if got := c.At(fmt.Sprint(i)); got != 0 {
			t.Errorf("At(%d) is %d after all were taken, want 0", i, got)
		}
		if i > 0 && c.At("0") != 1 {
			t.Errorf("At(0) is %d, want 1", c.At("0"))
		}
	}
	if c.few != nil || c.many != nil {
		t.Errorf("memory is held for nothing: %v", c)
	}
}
