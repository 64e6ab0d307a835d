// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// mixedCluster is a cluster of VMs and other pods that take memory and nothing else, and a pod that comes.
type mixedCluster struct {
	hosts [][]mixedPod
	// memory of each host, and of who comes.
	memory []int
	comer  int
}

type mixedPod struct {
	kind   mixedKind
	memory int
	high   bool // has a higher priority than who comes
}

type mixedKind int

const (
	movable   mixedKind = iota // a VM that moves
	evictable                  // a VM that is shut down
	spared                     // a VM that stays
	protected                  // likewise, by annotation
	paused                     // likewise
	plain                      // a pod
)

func drawMixedCluster(t *rapid.T) (c mixedCluster) {
	kinds := rapid.SampledFrom([]mixedKind{movable, movable, movable, movable, movable, movable, evictable, spared, protected, paused, plain, plain})
	for range rapid.IntRange(2, 4).Draw(t, "hosts") {
		memory := rapid.IntRange(16, 32).Draw(t, "memory")
		free := memory
		var pods []mixedPod
		for range rapid.IntRange(2, 6).Draw(t, "pods") {
			p := mixedPod{kind: kinds.Draw(t, "kind"), memory: rapid.IntRange(1, 10).Draw(t, "size"), high: rapid.IntRange(0, 7).Draw(t, "high") == 0}
			if p.memory <= free {
				free -= p.memory
				pods = append(pods, p)
			}
		}
		c.hosts, c.memory = append(c.hosts, pods), append(c.memory, memory)
	}
	c.comer = rapid.IntRange(8, 22).Draw(t, "comer")
	return c
}

func (c mixedCluster) free(host int) int {
	free := c.memory[host]
	for _, p := range c.hosts[host] {
		free -= p.memory
	}
	return free
}

// price is what room costs: kills, then moves, then memory.
type price struct{ kills, moves, memory int }

func (p price) compare(other price) int {
	return cmp.Or(cmp.Compare(p.kills, other.kills), cmp.Compare(p.moves, other.moves), cmp.Compare(p.memory, other.memory))
}

// best tries everything: the least price of room on each host where it can be made, and the host with none where who comes fits as it is.
func (c mixedCluster) best() (fits bool, byHost map[int]price) {
	byHost = map[int]price{}
	for host, pods := range c.hosts {
		if c.free(host) >= c.comer {
			return true, nil
		}
		for set := range 1 << len(pods) {
			var p price
			var moved []int
			free, allowed := c.free(host), true
			for i, pod := range pods {
				if set&(1<<i) == 0 {
					continue
				}
				free += pod.memory
				switch {
				case pod.high, pod.kind == spared, pod.kind == protected, pod.kind == paused:
					allowed = false
				case pod.kind == movable:
					p.moves, p.memory, moved = p.moves+1, p.memory+pod.memory, append(moved, pod.memory)
				default:
					p.kills++
				}
			}
			if known, ok := byHost[host]; !allowed || free < c.comer || ok && known.compare(p) <= 0 {
				continue
			}
			if c.housed(moved, host, make([]int, len(c.hosts))) {
				byHost[host] = p
			}
		}
	}
	return false, byHost
}

// housed says whether all of these fit on other hosts together with what was put there.
func (c mixedCluster) housed(moved []int, from int, put []int) bool {
	if len(moved) == 0 {
		return true
	}
	for host := range c.hosts {
		if host == from || c.free(host)-put[host] < moved[0] {
			continue
		}
		put[host] += moved[0]
		ok := c.housed(moved[1:], from, put)
		put[host] -= moved[0]
		if ok {
			return true
		}
	}
	return false
}

// mixedStage sets such clusters up, one after another.
type mixedStage struct {
	stage
	hook *webhook
	// pods and vms are those of the present cluster, by their names.
	pods map[string]mixedPod
	vms  map[string]vmBuilder
}

func (s *mixedStage) set(t tb, c mixedCluster) (comes vmBuilder) {
	t.Helper()
	for _, v := range s.vms {
		s.DeleteVMI(v.vmi.Namespace, v.vmi.Name)
	}
	for _, m := range s.Customs(migrations) {
		s.DeleteCustom(migrations, m.GetNamespace(), m.GetName())
	}
	s.clear(t)
	s.pods, s.vms = map[string]mixedPod{}, map[string]vmBuilder{}
	s.hook = s.webhook(nil)
	for i, pods := range c.hosts {
		host := string(rune('a' + i))
		node := makeNode(host, c.memory[i])
		node.UID = types.UID(fmt.Sprintf("%s-%d", host, s.round))
		s.SetNode(node)
		for j, p := range pods {
			s.place(fmt.Sprintf("%s%d-%d", host, j, s.round), host, p)
		}
	}
	comes = makeVM(fmt.Sprintf("comes-%d", s.round), c.comer).Priority(100)
	s.vms["comes"] = comes
	s.SetVMI(comes.vmi)
	return comes
}

func (s *mixedStage) place(name, host string, p mixedPod) {
	priority := int32(10)
	if p.high {
		priority = 1000
	}
	if p.kind == plain {
		s.pods[name] = p
		s.SetPod(makePod(name, p.memory).Priority(priority).On(host).Obj())
		return
	}
	v := makeVM(name, p.memory).Priority(priority).On(host)
	switch p.kind {
	case evictable:
		v = v.Strategy(kubevirtv1.EvictionStrategyNone).Migratable(false)
	case spared:
		v = v.Migratable(false)
	case protected:
		v = v.Annotation(config.PreemptionAnnotation, config.PreemptionNever)
	case paused:
		v = v.Paused()
	case movable, plain:
	}
	s.pods[v.pod.Name], s.vms[name] = p, v
	s.SetVMI(v.vmi)
	s.SetPod(v.pod)
}

// paid is what was done, and on which host; it is an error to do it to who may not have to go, or on several hosts.
func (s *mixedStage) paid(t tb) (p price, host string) {
	t.Helper()
	on := func(name string) {
		from, _, _ := strings.Cut(strings.TrimPrefix(name, "virt-launcher-"), "-")
		if from = from[:1]; host != "" && host != from {
			t.Errorf("victims on %s and on %s", host, from)
		}
		host = from
	}
	for name, pod := range s.pods {
		switch {
		case !s.there("default", name) && (pod.kind != plain || pod.high):
			t.Errorf("%s is gone", name)
		case !s.there("default", name):
			p.kills++
			on(name)
		}
	}
	for _, name := range s.hook.was() {
		if pod := s.pods[name]; pod.kind != evictable || pod.high {
			t.Errorf("%s was evicted", name)
		}
		p.kills++
		on(name)
	}
	for _, move := range s.moves(t) {
		name, home, _ := strings.Cut(move, ">")
		pod := s.pods["virt-launcher-"+name]
		if pod.kind != movable || pod.high || home == name[:1] {
			t.Errorf("move %s", move)
		}
		p.moves++
		p.memory += pod.memory
		on(name)
	}
	return p, host
}

// TestMixedClusters: room is made wherever, and as cheaply as, trying everything finds, and the moves work out.
func TestMixedClusters(t *testing.T) {
	sim, ctx := start(t, evicting, nil, nil, nil)
	s := &mixedStage{stage: stage{sim: sim, ctx: ctx}}
	made, none, moved := 0, 0, 0
	for range 5 { // rapid tries a property 100 times
		rapid.Check(t, func(t *rapid.T) {
			c := drawMixedCluster(t)
			comes := s.set(t, c)
			outcome, err := s.Schedule(s.ctx, comes.Obj())
			if err != nil {
				t.Fatal(err)
			}
			fits, byHost := c.best()
			if fits || len(byHost) == 0 {
				if outcome.Bound() != fits || outcome.Nominated != "" {
					t.Fatalf("bound to %q, nominated to %q; it fits: %t, and room can be made on %v: %s", outcome.Node, outcome.Nominated, fits, byHost, outcome.Status.Message())
				}
				none++
				return
			}
			want := slices.MinFunc(slices.Collect(values(byHost)), price.compare)
			got, host := s.paid(t)
			if got != want || outcome.Nominated != host || host == "" {
				t.Fatalf("paid %+v on %q, nominated to %q; want %+v, of %v: %s", got, host, outcome.Nominated, want, byHost, outcome.Status.Message())
			}
			made++
			moved += got.moves
			s.replay(t, comes, host, got)
		})
	}
	t.Logf("room was made %d times, by %d moves; %d times it was not needed, or there was none to be made", made, moved, none)
	if made < 100 || moved < 60 || none < 50 {
		t.Errorf("room was made %d times, by %d moves, and %d times there was none to be made: that shows nothing", made, moved, none)
	}
}

func values(m map[int]price) func(func(price) bool) {
	return func(yield func(price) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// replay lets happen what was asked for; who came is where room was made then.
func (s *mixedStage) replay(t tb, comes vmBuilder, host string, p price) {
	t.Helper()
	for _, name := range s.hook.was() {
		s.DeletePod("default", name) // it has ended
	}
	s.begin(t)
	s.drain(s.ctx, t)
	if n, err := s.kubevirt.End(); err != nil || n != p.moves {
		t.Fatalf("%d VMs arrived, %v; want %d", n, err, p.moves)
	}
	s.drain(s.ctx, t)
	if pod, _ := s.Pod("default", comes.pod.Name); pod.Spec.NodeName != host {
		t.Errorf("who came is on %q, want %s", pod.Spec.NodeName, host)
	}
}

// Of hosts that cost the same that one is taken whose VM is the least important, wherever the search begins.
func TestTheLeastImportant(t *testing.T) {
	for i := range 4 {
		var nodes []*corev1.Node
		var vms []vmBuilder
		for n := range 8 {
			host := fmt.Sprintf("h%d", n)
			priority := int32(20)
			if n == 5 {
				priority = 19
			}
			nodes, vms = append(nodes, makeNode(host, 64)), append(vms, makeVM("v-"+host, 33).Priority(priority).On(host))
		}
		spare := makeNode("spare", 64)
		s, ctx := start(t, nil, append(nodes, spare), vms, []*corev1.Pod{makePod("full", 30).Priority(1000).On("spare").Obj()})
		comes := makeVM(fmt.Sprint("comes-", i), 40).Priority(100)
		s.SetVMI(comes.vmi)
		if outcome, err := s.Schedule(ctx, comes.Obj()); err != nil || outcome.Nominated != "h5" {
			t.Errorf("nominated to %q, %v; want h5", outcome.Nominated, err)
		}
	}
}

// The same cluster gives the same plan, whatever the order in which goroutines look at it.
func TestTheSamePlan(t *testing.T) {
	plan := func() string {
		var nodes []*corev1.Node
		var vms []vmBuilder
		for i := range 12 {
			host := fmt.Sprintf("h%02d", i)
			nodes = append(nodes, makeNode(host, 64))
			vms = append(vms, makeVM("big-"+host, 20).On(host), makeVM("small-"+host, 15).On(host), makeVM("other-"+host, 10).On(host))
		}
		s, ctx := start(t, nil, nodes, vms, []*corev1.Pod{})
		comes := makeVM("comes", 40).Priority(100)
		s.SetVMI(comes.vmi)
		outcome, err := s.Schedule(ctx, comes.Obj())
		if err != nil || outcome.Nominated == "" {
			t.Fatalf("%+v, %v; want a nomination", outcome, err)
		}
		return fmt.Sprint(outcome.Nominated, s.moves(t))
	}
	first := plan()
	for range 4 {
		if diff := gocmp.Diff(first, plan()); diff != "" {
			t.Errorf("(-first +later):\n%s", diff)
		}
	}
}
