// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi/batching"
)

// sim is a real scheduler on a simulated API, whose only opinions are those of one plugin, and whether a pod fits by its
// requests.
type sim struct {
	*simapi.API
	*simapi.Scheduler
}

func (tc ruleCase) sim(ctx context.Context, t *testing.T, plugin string, args runtime.Object) *sim {
	t.Helper()
	c := tc.cluster(t)
	api := simapi.New()
	for _, n := range c.nodes {
		api.SetNode(n.DeepCopy())
	}
	for _, v := range c.vmis {
		api.SetVMI(v)
	}
	for _, p := range c.pods {
		api.SetPod(p.DeepCopy())
	}
	s, err := api.Start(ctx, simapi.Config{
		Profiles: []schedulerconfig.KubeSchedulerProfile{batching.Profile(plugin, args, names.NodeUnschedulable)},
		Registry: frameworkruntime.Registry{Name: NewFactory(clusterview.NewPool())}, Parallelism: 1, PercentageOfNodesToScore: 100,
		Options: []scheduler.Option{scheduler.WithPodInitialBackoffSeconds(0), scheduler.WithPodMaxBackoffSeconds(0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &sim{api, s}
}

func (s *sim) place(ctx context.Context, t *testing.T, b podBuilder) string {
	t.Helper()
	return batching.Place(ctx, t, s.Scheduler, []*corev1.Pod{b.Obj()})[b.pod.Name]
}

// Three VMs that keep apart by zones, in three zones; one is evacuated. Upstream's plugin lets it go nowhere.
func TestAVMMovesWithinItsZone(t *testing.T) {
	c := ruleCase{
		nodes: []nodeBuilder{makeNode("none").Zone("c"), makeNode("a1").Zone("a").Cordoned()},
		pods:  []podBuilder{webVM("1").On("a1"), webVM("2").On("b1"), webVM("3").On("none")},
		vmis:  []vmiBuilder{makeVMI("1", "a1").Evacuating("a1"), makeVMI("2", "b1"), makeVMI("3", "none")},
	}
	ours := c.sim(testContext(t), t, Name, defaultArgs(t))
	if got := ours.place(t.Context(), t, webTarget("1", 2)); got != "a2" {
		t.Errorf("the target is on %q, want a2, in its zone", got)
	}
	stock := c.sim(testContext(t), t, names.InterPodAffinity, &schedulerconfig.InterPodAffinityArgs{HardPodAffinityWeight: 1})
	if got := stock.place(t.Context(), t, webTarget("1", 2)); got != "" {
		t.Errorf("with upstream's plugin the target is on %q: the test shows nothing", got)
	}
}

// A migration fails after another VM was placed: at no time are two together that keep apart.
func TestAFailedMigrationLeavesNoTwoTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		end   func(*sim)
		want  string // the zone of the VM that waited
		later func(*sim)
	}{
		"it fails":    {func(s *sim) { s.DeletePod("default", "launcher-1-target") }, "b", func(*sim) {}},
		"it succeeds": {func(s *sim) { s.SetVMI(makeVMI("1", "b1").Obj()) }, "a", func(s *sim) { s.DeletePod("default", "launcher-1") }},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			s := ruleCase{
				nodes: []nodeBuilder{makeNode("none").Zone("b"), makeNode("a2").Zone("a").Cordoned()}, // the target is to leave the zone
				pods:  []podBuilder{webVM("1").On("a1")}, vmis: []vmiBuilder{makeVMI("1", "a1"), makeVMI("2", ""), makeVMI("3", "")},
			}.sim(ctx, t, Name, defaultArgs(t))
			if got := s.zone(s.place(ctx, t, webTarget("1", 2))); got != "b" {
				t.Fatalf("the target is in zone %q", got)
			}
			if got := s.place(ctx, t, webVM("2")); got != "" {
				t.Errorf("the second VM is on %q, though the first may be in either zone", got)
			}
			s.apart(t)
			tc.end(s)
			outcome, tried, err := s.Next(ctx)
			if err != nil || !tried || s.zone(outcome.Node) != tc.want {
				t.Errorf("tried again: %t; the second VM is on %q, %v; want zone %s", tried, outcome.Node, err, tc.want)
			}
			tc.later(s) // its source ends, in which nobody is
			s.apart(t)
			if got := s.place(ctx, t, webVM("3")); got != "" {
				t.Errorf("a third VM is on %q", got)
			}
		})
	}
}

func (s *sim) zone(node string) string {
	n, ok := s.Node(node)
	if !ok {
		return ""
	}
	return n.Labels[zone]
}

// apart fails when two of the VMs that keep apart have launchers in one zone.
func (s *sim) apart(t *testing.T) {
	t.Helper()
	in := map[string]string{}
	for _, pod := range s.Pods() {
		z, vm := s.zone(pod.Spec.NodeName), pod.Labels[kubevirtv1.CreatedByLabel]
		if z == "" {
			continue
		}
		if other, taken := in[z]; taken && other != vm {
			t.Errorf("VMs %s and %s are together in zone %s", other, vm, z)
		}
		in[z] = vm
	}
}

// A pair that has to be together leaves a zone with room for one of them: both go where there is room for both.
func TestAPairLeavesItsHostTogether(t *testing.T) {
	ctx := testContext(t)
	web := func(b podBuilder) podBuilder {
		return b.Requests("cpu", "1").Label("app", "web").Near(term(zone, "app=db"))
	}
	db := func(b podBuilder) podBuilder {
		return b.Requests("cpu", "1").Label("app", "db").Near(term(zone, "app=web"))
	}
	s := ruleCase{
		nodes: []nodeBuilder{makeNode("a1").Zone("a").Cordoned(), withRoom("a2", "a", "1"), withRoom("b1", "b", "2"), withRoom("b2", "b", "0")},
		pods:  []podBuilder{web(makeVM("web")).On("a1"), db(makeVM("db")).On("a1")},
		vmis:  []vmiBuilder{makeVMI("web", "a1").Evacuating("a1"), makeVMI("db", "a1").Evacuating("a1")},
	}.sim(ctx, t, Name, defaultArgs(t))
	for _, target := range []podBuilder{web(makeTarget("web", 2)), db(makeTarget("db", 3))} {
		on := s.place(ctx, t, target)
		for more := on == ""; more; {
			outcome, tried, err := s.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			on, more = outcome.Node, tried && !outcome.Bound()
		}
		if on != "b1" {
			t.Errorf("%s is on %q, want b1", target.pod.Name, on)
		}
	}
}

// A pod that waits is tried again by the scheduler's own queue when something happens that can help, and only then.
func TestWaitingPodsAreTriedAgain(t *testing.T) {
	apart := ruleCase{
		pod:   makeVM("vm").Anti(term(zone, "app=web")),
		nodes: []nodeBuilder{makeNode("none").Zone("b")},
		pods:  []podBuilder{makeVM("1").Label("app", "web").On("a1"), makeVM("2").Label("app", "web").On("b1"), makeVM("3").On("a1")},
		vmis:  []vmiBuilder{makeVMI("1", "a1"), makeVMI("2", "b1"), makeVMI("3", "a1")},
	}
	kept := apart
	kept.pod = makePod("p").Label("app", "db")
	kept.pods = []podBuilder{makePod("1").Anti(term(zone, "app=db")).On("a1"), makePod("2").Anti(term(zone, "app=db")).On("b1"), makePod("3").On("a1")}
	stuck := ruleCase{
		pod:   makeTarget("vm", 2).Near(term(zone, "app=db")),
		nodes: []nodeBuilder{makeNode("a2").Zone("c"), makeNode("b2").Zone("c")},
		pods:  []podBuilder{makeVM("vm").On("a1"), makeVM("db").Label("app", "db").On("a1")},
		vmis:  []vmiBuilder{makeVMI("vm", "a1").Evacuating("a1"), makeVMI("db", "a1")},
	}
	// The db VM is under way to zone b, where the other has to be; there is no room for that in zone a.
	arriving := ruleCase{
		pod:   makeVM("vm").Near(term(zone, "app=db")),
		nodes: []nodeBuilder{makeNode("a1").Zone("a").Cordoned(), makeNode("a2").Zone("a").Cordoned()},
		pods:  []podBuilder{makeVM("db").Label("app", "db").On("a1"), makeTarget("db", 2).Label("app", "db").On("b1"), makeVM("x").On("b2")},
		vmis:  []vmiBuilder{makeVMI("vm", ""), makeVMI("db", "a1"), makeVMI("x", "b2")},
	}
	leaves := arriving // its place in zone a
	leaves.pod = makeVM("vm").Anti(term(zone, "app=db"))
	leaves.nodes = []nodeBuilder{makeNode("none").Zone("b")}
	tests := map[string]struct {
		ruleCase
		change func(*sim)
		tried  bool
	}{
		"a VM leaves from which it keeps apart": {apart, func(s *sim) { s.DeletePod("default", "launcher-1") }, true},
		"another VM leaves":                     {apart, func(s *sim) { s.DeletePod("default", "launcher-3") }, false},
		"a host comes":                          {apart, func(s *sim) { s.SetNode(makeNode("c").Zone("c").Obj()) }, true},
		"a host moves to another zone":          {apart, func(s *sim) { s.SetNode(makeNode("none").Zone("d").Obj()) }, true},
		"a host gets a label":                   {apart, func(s *sim) { s.SetNode(makeNode("none").Zone("b").Label("x", "y").Obj()) }, false},
		"a pod leaves that keeps it away":       {kept, func(s *sim) { s.DeletePod("default", "1") }, true},
		"a pod leaves that does not":            {kept, func(s *sim) { s.DeletePod("default", "3") }, false},
		"a host comes where nobody is":          {kept, func(s *sim) { s.SetNode(makeNode("c").Zone("c").Obj()) }, true},
		"a host moves to where nobody is":       {kept, func(s *sim) { s.SetNode(makeNode("none").Zone("d").Obj()) }, true},
		"a host gets another label":             {kept, func(s *sim) { s.SetNode(makeNode("none").Zone("b").Label("x", "y").Obj()) }, false},
		"the pod gets other labels": {kept, func(s *sim) {
			waiting, _ := s.Pod("default", "p")
			waiting = waiting.DeepCopy()
			waiting.Labels["app"] = "web"
			s.SetPod(waiting)
		}, true},
		"its host has to be left": {stuck, func(s *sim) {
			s.SetNode(makeNode("a1").Zone("a").Taint("kubevirt.io/drain", corev1.TaintEffectNoSchedule).Obj())
		}, true},
		"its host gets another taint":            {stuck, func(s *sim) { s.SetNode(makeNode("a1").Zone("a").Taint("x", corev1.TaintEffectNoSchedule).Obj()) }, false},
		"the other is in another zone, too":      {stuck, func(s *sim) { s.SetPod(makeVM("db2").Label("app", "db").On("b2").Obj()) }, true},
		"a VM has arrived where it has to be":    {arriving, func(s *sim) { s.SetVMI(makeVMI("db", "b1").Obj()) }, true},
		"a VM has left, though its pod is there": {leaves, func(s *sim) { s.SetVMI(makeVMI("db", "b1").Obj()) }, true},
		"a VM that stays is to leave its host":   {arriving, func(s *sim) { s.SetVMI(makeVMI("x", "b2").Evacuating("b2").Obj()) }, false},
		"another VM comes":                       {stuck, func(s *sim) { s.SetPod(makeVM("x").Label("app", "x").On("b2").Obj()) }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			s := tc.sim(ctx, t, Name, defaultArgs(t))
			if got := s.place(ctx, t, tc.pod); got != "" {
				t.Fatalf("it is on %q, and does not wait", got)
			}
			tc.change(s)
			outcome, tried, err := s.Next(ctx)
			for more := tried; more && err == nil && !outcome.Bound(); { // with more conceded, without anybody's help
				var again simapi.Outcome
				if again, more, err = s.Next(ctx); more {
					outcome = again
				}
			}
			if err != nil || tried != tc.tried || tried && !outcome.Bound() {
				t.Errorf("tried again: %t, want %t; put on %q, %v", tried, tc.tried, outcome.Node, err)
			}
		})
	}
}

// Hosts take one pod more each. Then upstream takes, for a pod with the signature of the one before, the host that was second
// best for that. With one score per host there is one right answer: the same with batching and without.
func TestBatchingPlacesAsWithoutIt(t *testing.T) {
	var c cluster
	for i := range 8 {
		name := fmt.Sprintf("host-%d", i)
		c.nodes = append(c.nodes, makeNode(name).Allocatable("pods", "2").Obj())
		there := makePod("there-"+name).PrefersNear(int32(1+i), term(hostname, "app=web")).PrefersNear(int32(10-i), term(hostname, "app=db"))
		if i%2 == 1 {
			there = there.Anti(term(hostname, "app=db"))
		}
		c.pods = append(c.pods, there.On(name).Obj())
	}
	pods := objects([]podBuilder{
		web("web-1"), web("web-2"), makePod("db-1").Label("app", "db"), makePod("db-2").Label("app", "db"), web("web-3"),
		makeVM("vm").Label("app", "web"), web("alone").Anti(term(hostname, "app=none")),
	})
	want := map[string]string{
		"web-1": "host-7", "web-2": "host-6", "db-1": "host-0", "db-2": "host-2", "web-3": "host-5", "launcher-vm": "host-4", "alone": "host-3",
	}
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprintf("batching %t", on), func(t *testing.T) {
			var got map[string]string
			batched := batching.Run(t, on, batching.SchedulerName, func(ctx context.Context) {
				api := simapi.New()
				for _, n := range c.nodes {
					api.SetNode(n.DeepCopy())
				}
				for _, p := range c.pods {
					api.SetPod(p.DeepCopy())
				}
				s, err := api.Start(ctx, simapi.Config{
					Profiles: []schedulerconfig.KubeSchedulerProfile{batching.Profile(Name, defaultArgs(t))},
					Registry: frameworkruntime.Registry{Name: NewFactory(clusterview.NewPool())}, Parallelism: 1, PercentageOfNodesToScore: 100,
				})
				if err != nil {
					t.Fatal(err)
				}
				got = batching.Place(ctx, t, s, pods)
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("placements (-want +got):\n%s", diff)
			}
			if (batched > 0) != on {
				t.Errorf("%v pods were batched", batched)
			}
		})
	}
}
