// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// A web VM has to be in the zone of a db VM; both are on a1.
func webAndDB() []podBuilder {
	return []podBuilder{
		makeVM("vm").Label("app", "web").Near(term(zone, "app=db")).On("a1"), makeVM("db").Label("app", "db").On("a1"),
	}
}

func leaving() []vmiBuilder {
	return []vmiBuilder{makeVMI("vm", "a1").Evacuating("a1"), makeVMI("db", "a1").Evacuating("a1")}
}

// withRoom leaves room for n VMs with requests on a host.
func withRoom(name, zone, n string) nodeBuilder {
	return makeNode(name).Zone(zone).Allocatable("cpu", n)
}

func TestRule3RequiredAffinityIsAPreferenceWhenTheHostHasToBeLeft(t *testing.T) {
	target := func() podBuilder { return makeTarget("vm", 2).Label("app", "web").Near(term(zone, "app=db")) }
	cordoned := []nodeBuilder{makeNode("a1").Zone("a").Cordoned()}
	required := map[string]string{"a1": tooNear, "b1": notNear, "b2": notNear, "none": notNear}
	// a2 is where the affinity holds; there is room for both in zone b, and a VM without a zone is apart.
	relaxed, near, roomy := map[string]string{"a1": tooNear}, []string{"a2"}, []string{"b1", "b2"}
	checkConcessions(t, map[string]evacuationCase{
		"its host is cordoned": {pod: target(), pods: webAndDB(), vmis: leaving(), nodes: cordoned, want: relaxed, near: near, roomy: roomy},
		"its host has a taint that says so": {
			pod: target(), pods: webAndDB(), vmis: leaving(), want: relaxed, near: near, roomy: roomy,
			nodes: []nodeBuilder{makeNode("a1").Zone("a").Taint("virt-scheduler.io/node-failure", corev1.TaintEffectNoSchedule)},
		},
		"its host has a taint that the arguments name": {
			pod: target(), pods: webAndDB(), vmis: leaving(), want: relaxed, near: near, roomy: roomy,
			nodes:  []nodeBuilder{makeNode("a1").Zone("a").Taint("example.com/leave", corev1.TaintEffectNoExecute)},
			change: func(a *config.VMAffinityArgs) { a.EvacuationTaints = []string{"example.com/*"} },
		},
		"its host has a taint that the arguments do not name": {
			pod: target(), pods: webAndDB(), vmis: leaving(), want: required,
			nodes:  []nodeBuilder{makeNode("a1").Zone("a").Taint("kubevirt.io/drain", corev1.TaintEffectNoSchedule)},
			change: func(a *config.VMAffinityArgs) { a.EvacuationTaints = nil },
		},
		"it is evicted from a host that may stay in use": {pod: target(), pods: webAndDB(), vmis: leaving(), want: required},
		"it is moved without being evicted": {
			pod: target(), pods: webAndDB(), vmis: []vmiBuilder{makeVMI("vm", "a1"), makeVMI("db", "a1")}, nodes: cordoned, want: required,
		},
		"it has left the host that it was to leave": {
			pod: target(), pods: append(webAndDB()[1:], makeTarget("vm", 1).UID("source").On("a2")), nodes: cordoned,
			vmis: []vmiBuilder{makeVMI("vm", "a2").Evacuating("a1"), makeVMI("db", "a1")}, want: map[string]string{"a2": tooNear, "b1": notNear, "b2": notNear, "none": notNear},
		},
		"it is a VM that starts": {
			pod: makeVM("vm").Near(term(zone, "app=db")), pods: webAndDB()[1:], vmis: []vmiBuilder{makeVMI("vm", "").Evacuating("a1"), makeVMI("db", "a1")}, nodes: cordoned,
			want: map[string]string{"b1": notNear, "b2": notNear, "none": notNear},
		},
		"the arguments say that it stays required": {
			pod: target(), pods: webAndDB(), vmis: leaving(), nodes: cordoned, want: required,
			change: func(a *config.VMAffinityArgs) { a.RequiredAffinityDuringMigration = config.AffinityRequired },
		},
		"anti-affinity stays required": {
			pod: target().Anti(term(zone, "app=x")), pods: append(webAndDB(), makeVM("x").Label("app", "x").On("b1")), vmis: leaving(), nodes: cordoned,
			want: map[string]string{"a1": tooNear, "b1": tooNear, "b2": tooNear}, near: []string{"a2"},
		},
		"anti-affinity of others stays required": {
			pod: target(), pods: append(webAndDB(), makeVM("x").Anti(term(zone, "app=web")).On("b1")), vmis: leaving(), nodes: cordoned,
			want: map[string]string{"a1": tooNear, "b1": repelled, "b2": repelled}, near: []string{"a2"},
		},
		"preferences choose among those that are left": {
			pod: target().PrefersNear(100, term(hostname, "app=x")), pods: append(webAndDB(), makeVM("x").Label("app", "x").On("b1")), vmis: leaving(), nodes: cordoned,
			want: relaxed, near: near, roomy: roomy, scores: map[string]int64{"b1": 100},
		},
	})
}

// The group that leaves a host together comes together again.
func TestRule3HostsWithRoomForTheGroupComeFirst(t *testing.T) {
	sized := func(b podBuilder) podBuilder { return b.Requests("cpu", "1") }
	target := func() podBuilder {
		return sized(makeTarget("vm", 3)).Label("app", "web").Near(term(hostname, "app=db"))
	}
	vm := func() podBuilder {
		return sized(makeVM("vm")).Label("app", "web").Near(term(hostname, "app=db")).On("a1")
	}
	db := func() podBuilder { return sized(makeVM("db")).Label("app", "db").On("a1") }
	source := makeNode("a1").Zone("a").Cordoned()
	nodes := []nodeBuilder{source, withRoom("a2", "a", "1"), withRoom("b1", "b", "2"), withRoom("b2", "b", "3"), withRoom("none", "", "1")}
	left := map[string]string{"a1": tooNear}
	ahead := sized(makeTarget("db", 2)).Label("app", "db")
	checkConcessions(t, map[string]evacuationCase{
		"two of them": {
			pod: target(), pods: []podBuilder{vm(), db()}, vmis: leaving(), nodes: nodes, want: left, roomy: []string{"b1", "b2"},
		},
		"one is there already": {
			pod: target(), pods: []podBuilder{vm(), db(), ahead.On("a2")}, vmis: leaving(), nodes: nodes, want: map[string]string{"a1": notNear},
			near: []string{"a2"}, roomy: []string{"b1", "b2", "none"},
		},
		"a third that wants to be near the pod": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makeVM("third")).Near(term(hostname, "app=web")).On("a1")},
			vmis: append(leaving(), makeVMI("third", "a1").Evacuating("a1")), nodes: nodes, want: left, roomy: []string{"b2"},
		},
		"a third that wants to be near the second": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makeVM("third")).Near(term(hostname, "app=db")).On("a1")},
			vmis: append(leaving(), makeVMI("third", "a1").Evacuating("a1")), nodes: nodes, want: left, roomy: []string{"b2"},
		},
		"a third that is not evacuated": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makeVM("third")).Near(term(hostname, "app=web")).On("a1")},
			vmis: append(leaving(), makeVMI("third", "a1")), nodes: nodes, want: left, roomy: []string{"b1", "b2"},
		},
		"a third that has nothing to do with them": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makeVM("third")).Anti(term(hostname, "app=x")).On("a1")},
			vmis: append(leaving(), makeVMI("third", "a1").Evacuating("a1")), nodes: nodes, want: left, roomy: []string{"b1", "b2"},
		},
		"a pod that is no VM is not of them": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makePod("third")).Near(term(hostname, "app=web")).On("a1")},
			vmis: leaving(), nodes: nodes, want: left, roomy: []string{"b1", "b2"},
		},
		"a group that needs more than one host of a zone": {
			pod:  sized(makeTarget("vm", 3)).Label("app", "web").Near(term(zone, "app=db")),
			pods: []podBuilder{sized(makeVM("vm")).Near(term(zone, "app=db")).On("a1"), db(), sized(makeVM("third")).Near(term(zone, "app=web")).On("a1"), sized(makeVM("x")).On("b1")},
			vmis: append(leaving(), makeVMI("third", "a1").Evacuating("a1")), nodes: []nodeBuilder{source, withRoom("a2", "a", "64"), withRoom("b1", "b", "2"), withRoom("b2", "b", "2")},
			want: left, near: []string{"a2"}, roomy: []string{"b1", "b2"}, scores: map[string]int64{"a2": 100}, // the third wants the pod to be near
		},
		"room is by the host, not by the sum of the zone": {
			pod: makeTarget("vm", 3).Near(term(zone, "app=db")).Requests("cpu", "2"),
			pods: []podBuilder{
				makeVM("vm").Requests("cpu", "2").Near(term(zone, "app=db")).On("a1"), db().Requests("cpu", "2"), sized(makeVM("x")).On("b1"), sized(makeVM("y")).On("b2"),
			},
			vmis: leaving(), nodes: []nodeBuilder{source, withRoom("b1", "b", "3"), withRoom("b2", "b", "3")},
			want: left, near: []string{"a2"}, roomy: []string{"b1", "b2"},
		},
		"what is there takes room": {
			pod: makeTarget("vm", 3).Near(term(zone, "app=db")).Requests("cpu", "2"),
			pods: []podBuilder{
				makeVM("vm").Requests("cpu", "2").Near(term(zone, "app=db")).On("a1"), db().Requests("cpu", "2"), makeVM("x").Requests("cpu", "2").On("b1"), sized(makeVM("y")).On("b2"),
			},
			vmis: leaving(), nodes: []nodeBuilder{source, withRoom("b1", "b", "3"), withRoom("b2", "b", "3")},
			want: left, near: []string{"a2"},
		},
		"other resources count": {
			pod: makeTarget("vm", 3).Near(term(zone, "app=db")), pods: []podBuilder{makeVM("vm").Near(term(zone, "app=db")).On("a1"), db().Requests("devices.kubevirt.io/kvm", "1")},
			vmis: leaving(), nodes: []nodeBuilder{source, makeNode("b2").Zone("b").Allocatable("devices.kubevirt.io/kvm", "1"), makeNode("none").Zone("c").Allocatable("memory", "0")},
			want: left, roomy: []string{"b1", "b2"}, narrow: []string{"a2"},
		},
	})
}

// Those who leave together are not parted by where they still are: a place that is near only because of them has to have room for all, if
// another has.
func TestRule3TheGroupIsNotParted(t *testing.T) {
	sized := func(b podBuilder) podBuilder { return b.Requests("cpu", "1") }
	web := func(b podBuilder) podBuilder { return sized(b).Label("app", "web").Near(term(zone, "app=db")) }
	db := func(b podBuilder) podBuilder { return sized(b).Label("app", "db").Near(term(zone, "app=web")) }
	source := makeNode("a1").Zone("a").Cordoned()
	vmis := []vmiBuilder{makeVMI("web", "a1").Evacuating("a1"), makeVMI("db", "a1").Evacuating("a1")}
	here := []podBuilder{web(makeVM("web")).On("a1"), db(makeVM("db")).On("a1")}
	webGone, dbGone := web(makeTarget("web", 2)).On("b1"), db(makeTarget("db", 2)).On("b1")
	oneInA := []nodeBuilder{source, withRoom("a2", "a", "1"), withRoom("b1", "b", "2"), withRoom("b2", "b", "0")}
	nowhere := []nodeBuilder{source, withRoom("a2", "a", "1"), withRoom("b1", "b", "1"), withRoom("b2", "b", "0")}
	left := map[string]string{"a1": tooNear}
	tests := map[string]evacuationCase{
		"their zone has room for one, another for all": {
			pod: web(makeTarget("web", 2)), pods: here, vmis: vmis, nodes: oneInA, want: left, roomy: []string{"b1", "b2"}, narrow: []string{"a2"},
		},
		"the second follows the first, though there is room for it where the first was": {
			pod: db(makeTarget("db", 3)), pods: append(here, webGone), vmis: vmis, nodes: oneInA, want: left, near: []string{"b1", "b2"}, roomy: []string{"a2"},
		},
		"the second follows the first, whose guest has arrived": {
			pod: db(makeTarget("db", 3)), pods: append(here, webGone), nodes: oneInA, want: left, near: []string{"b1", "b2"}, roomy: []string{"a2"},
			vmis: []vmiBuilder{makeVMI("web", "b1").Evacuating("a1"), vmis[1]},
		},
		"their zone has room for all": {
			pod: web(makeTarget("web", 2)), pods: here, vmis: vmis, want: left, near: []string{"a2"}, roomy: []string{"b1", "b2"},
			nodes: []nodeBuilder{source, withRoom("a2", "a", "2"), withRoom("b1", "b", "2"), withRoom("b2", "b", "0")},
		},
		"no zone has room for all": {
			pod: web(makeTarget("web", 2)), pods: here, vmis: vmis, nodes: nowhere, want: left, narrow: []string{"a2"},
		},
		"another that stays in their zone keeps it there": {
			pod: web(makeTarget("web", 2)), pods: append(here, db(makeVM("stays")).On("a2")), vmis: append(vmis, makeVMI("stays", "a2")),
			nodes: []nodeBuilder{source, withRoom("a2", "a", "2"), withRoom("b1", "b", "2"), withRoom("b2", "b", "0")}, want: left, near: []string{"a2"}, roomy: []string{"b1", "b2"},
		},
		"the first moves within their zone": {
			pod: web(makeTarget("web", 3)), pods: append(here, db(makeTarget("db", 2)).On("a2")), vmis: vmis, want: left, near: []string{"a2"}, roomy: []string{"b1", "b2"},
			nodes: []nodeBuilder{source, withRoom("a2", "a", "2"), withRoom("b1", "b", "2"), withRoom("b2", "b", "0")},
		},
		"a third waits for them": {
			pod: sized(makeTarget("third", 3)).Near(term(zone, "app=db")), pods: append(here, sized(makeVM("third")).Near(term(zone, "app=db")).On("a1"), dbGone),
			vmis: append(vmis, makeVMI("third", "a1").Evacuating("a1")), want: left, near: []string{"b1", "b2"}, roomy: []string{"a2"},
			nodes: []nodeBuilder{source, withRoom("a2", "a", "9"), withRoom("b1", "b", "2"), withRoom("b2", "b", "0")},
		},
	}
	for name, tc := range tests {
		tc.change = func(a *config.VMAffinityArgs) { a.HardPodAffinityWeight = 0 } // scores are not what keeps them together
		tests[name] = tc
	}
	checkConcessions(t, tests)
}

// Who is refused for another reason is not tried again, and who could be helped by the last concession only gets it at once.
func TestRule3OnlyWhatHelpsIsConceded(t *testing.T) {
	ctx := testContext(t)
	cordoned := []nodeBuilder{makeNode("a1").Zone("a").Cordoned()}
	near := makeTarget("vm", 2).Label("app", "web").Near(term(zone, "app=db"))
	tests := map[string]struct {
		pods   []podBuilder
		nodes  []nodeBuilder
		others map[string]bool // hosts that another plugin refuses before ours is asked
		want   concession
		tried  bool
	}{
		"no host was refused for the affinity":        {pods: webAndDB(), nodes: cordoned, others: map[string]bool{"a2": true, "b1": true, "b2": true, "none": true}},
		"one with room was":                           {pods: webAndDB(), nodes: cordoned, others: map[string]bool{"a2": true, "b1": true, "none": true}, want: concedeMembers, tried: true},
		"only one that has no zone was":               {pods: webAndDB(), nodes: cordoned, others: map[string]bool{"a2": true, "b1": true, "b2": true}, want: concedeAll, tried: true},
		"only one where others keep the pod away was": {pods: append(webAndDB(), makeVM("x").Anti(term(zone, "app=web")).On("b1")), nodes: cordoned, others: map[string]bool{"a2": true, "none": true}, want: concedeAll, tried: true},
		"only one that has to be left, too, was": {
			pods: webAndDB(), nodes: append(cordoned, makeNode("b1").Zone("b").Cordoned()), others: map[string]bool{"a2": true, "b2": true, "none": true},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := ruleCase{pods: tc.pods, vmis: leaving(), nodes: tc.nodes}.cluster(t).profile(ctx, t)
			var state fwk.CycleState
			p.cycle(ctx, t, near.Obj(), func(s fwk.CycleState) { state = s })
			statuses := framework.NewDefaultNodeToStatus()
			for _, host := range p.hosts {
				status := p.RunFilterPlugins(ctx, state, near.Obj(), host)
				if tc.others[host.Node().Name] {
					status = fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reasonAffinity) // in the same words
					status.SetPlugin("another")
				}
				statuses.Set(host.Node().Name, status)
			}
			_, status := p.plugin.PostFilter(ctx, state, near.Obj(), statuses)
			if tried := status.Code() == fwk.UnschedulableAndUnresolvable; tried != tc.tried || len(p.again.pods) > 0 != tc.tried {
				t.Errorf("PostFilter says %v, tried again: %v; want %t", status, p.again.pods, tc.tried)
			}
			if got := p.plugin.conceded.take(near.pod.UID); got != tc.want {
				t.Errorf("the next try concedes %d, want %d", got, tc.want)
			}
			if tc.tried {
				return
			}
			// Preemption, which comes next, finds everything conceded.
			for _, host := range p.hosts {
				if got := p.RunFilterPlugins(ctx, state.Clone(), near.Obj(), host); got.IsSuccess() != (host.Node().Name != "a1") {
					t.Errorf("in a dry run host %s is refused: %v", host.Node().Name, got)
				}
			}
		})
	}
}

// What a try concedes holds for that try, also when nothing can be conceded in it.
func TestRule3ConcessionsAreNotLeftOver(t *testing.T) {
	ctx := testContext(t)
	p := ruleCase{pods: webAndDB(), vmis: []vmiBuilder{makeVMI("vm", "a1"), makeVMI("db", "a1")}}.cluster(t).profile(ctx, t)
	pod := makeTarget("vm", 2).Label("app", "web").Near(term(zone, "app=db")).Obj()
	p.plugin.conceded.set(pod.UID, concedeAll)
	got := p.cycle(ctx, t, pod) // the host need not be left any more
	if diff := cmp.Diff([]string{"a2"}, p.accepted(got)); diff != "" {
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
	if left := p.plugin.conceded.take(pod.UID); left != concedeNothing {
		t.Errorf("concession %d is left for a later try", left)
	}
}

// With PreFilter switched off nothing is known of earlier tries: what is required stays required.
func TestRule3WithPreFilterSwitchedOff(t *testing.T) {
	ctx := testContext(t)
	c := ruleCase{pods: webAndDB(), vmis: leaving(), nodes: []nodeBuilder{makeNode("a1").Zone("a").Cordoned()}}.cluster(t)
	c.disabled = schedulerconfig.Plugins{PreFilter: schedulerconfig.PluginSet{Disabled: []schedulerconfig.Plugin{{Name: Name}}}}
	p := c.profile(ctx, t)
	pod := makeTarget("vm", 2).Label("app", "web").Near(term(zone, "app=db")).Obj()
	for range 3 {
		got, status := p.attempt(ctx, t, pod)
		if diff := cmp.Diff([]string{"a2"}, p.accepted(got)); diff != "" || status.Code() != fwk.Unschedulable {
			t.Errorf("PostFilter says %v; accepted (-want +got):\n%s", status, diff)
		}
	}
}

// Hosts that have to be left, too, offer no room.
func TestRule3RoomIsOnHostsThatAreNotLeft(t *testing.T) {
	ctx := testContext(t)
	p := ruleCase{
		pods: webAndDB(), vmis: leaving(),
		nodes: []nodeBuilder{makeNode("a1").Zone("a").Cordoned(), makeNode("b1").Zone("b").Cordoned(), withRoom("b2", "b", "1")},
	}.cluster(t).profile(ctx, t)
	pod := makeTarget("vm", 2).Label("app", "web").Near(term(zone, "app=db")).Requests("cpu", "1").Obj()
	p.plugin.conceded.set(pod.UID, concedeMembers)
	got, _ := p.attempt(ctx, t, pod)
	if diff := cmp.Diff([]string{"a2", "b1", "b2"}, p.accepted(got)); diff != "" { // db asks for nothing: both fit on b2
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
	p = ruleCase{
		pods: []podBuilder{webAndDB()[0], webAndDB()[1].Requests("cpu", "1")}, vmis: leaving(),
		nodes: []nodeBuilder{makeNode("a1").Zone("a").Cordoned(), makeNode("b1").Zone("b").Cordoned(), withRoom("b2", "b", "1")},
	}.cluster(t).profile(ctx, t)
	p.plugin.conceded.set(pod.UID, concedeMembers)
	got, _ = p.attempt(ctx, t, pod)
	if diff := cmp.Diff([]string{"a2"}, p.accepted(got)); diff != "" {
		t.Errorf("accepted, with no room in zone b (-want +got):\n%s", diff)
	}
}

// What is remembered of pods that are never tried again is bounded, and who is forgotten begins anew.
func TestConcessionsAreBounded(t *testing.T) {
	c := newConcessions()
	for i := range maxConcessions + 1 {
		c.set(types.UID(fmt.Sprint(i)), concedeMembers)
	}
	if c.next.Len() != maxConcessions || c.take("0") != concedeNothing || c.take("1") != concedeMembers {
		t.Errorf("%d are remembered, want %d: all but the oldest", c.next.Len(), maxConcessions)
	}
	c.set("2", concedeAll) // known: nobody is forgotten for it
	if c.take("2") != concedeAll || c.take("3") != concedeMembers || c.take(types.UID(fmt.Sprint(maxConcessions))) != concedeMembers {
		t.Error("more is forgotten than has to be")
	}
	if c.take(types.UID(fmt.Sprint(maxConcessions))) != concedeNothing {
		t.Error("a concession is taken twice")
	}
}
