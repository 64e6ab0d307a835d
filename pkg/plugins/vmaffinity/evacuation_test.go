// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
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
	relaxed, scores := map[string]string{"a1": tooNear}, map[string]int64{"a2": 90, "b1": 45, "b2": 45}
	check(t, map[string]ruleCase{
		"its host is cordoned": {pod: target(), pods: webAndDB(), vmis: leaving(), nodes: cordoned, want: relaxed, scores: scores},
		"its host has a taint that says so": {
			pod: target(), pods: webAndDB(), vmis: leaving(), want: relaxed, scores: scores,
			nodes: []nodeBuilder{makeNode("a1").Zone("a").Taint("virt-scheduler.io/node-failure", corev1.TaintEffectNoSchedule)},
		},
		"its host has a taint that the arguments name": {
			pod: target(), pods: webAndDB(), vmis: leaving(), want: relaxed, scores: scores,
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
			want: map[string]string{"a1": tooNear, "b1": tooNear, "b2": tooNear}, scores: map[string]int64{"a2": 90},
		},
		"anti-affinity of others stays required": {
			pod: target(), pods: append(webAndDB(), makeVM("x").Anti(term(zone, "app=web")).On("b1")), vmis: leaving(), nodes: cordoned,
			want: map[string]string{"a1": tooNear, "b1": repelled, "b2": repelled}, scores: map[string]int64{"a2": 90},
		},
		"preferences choose among hosts of one grade, and no more": {
			pod: target().PrefersNear(100, term(hostname, "app=x")), pods: append(webAndDB(), makeVM("x").Label("app", "x").On("b1")), vmis: leaving(), nodes: cordoned,
			want: relaxed, scores: map[string]int64{"a2": 90, "b1": 55, "b2": 45},
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
	check(t, map[string]ruleCase{
		"two of them": {
			pod: target(), pods: []podBuilder{vm(), db()}, vmis: leaving(), nodes: nodes, want: left, scores: map[string]int64{"b1": 45, "b2": 45},
		},
		"one is there already": {
			pod: target(), pods: []podBuilder{vm(), db(), ahead.On("a2")}, vmis: leaving(), nodes: nodes, want: left,
			scores: map[string]int64{"a2": 90, "b1": 45, "b2": 45, "none": 45},
		},
		"a third that wants to be near the pod": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makeVM("third")).Near(term(hostname, "app=web")).On("a1")},
			vmis: append(leaving(), makeVMI("third", "a1").Evacuating("a1")), nodes: nodes, want: left, scores: map[string]int64{"b2": 45},
		},
		"a third that wants to be near the second": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makeVM("third")).Near(term(hostname, "app=db")).On("a1")},
			vmis: append(leaving(), makeVMI("third", "a1").Evacuating("a1")), nodes: nodes, want: left, scores: map[string]int64{"b2": 45},
		},
		"a third that is not evacuated": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makeVM("third")).Near(term(hostname, "app=web")).On("a1")},
			vmis: append(leaving(), makeVMI("third", "a1")), nodes: nodes, want: left, scores: map[string]int64{"b1": 45, "b2": 45},
		},
		"a third that has nothing to do with them": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makeVM("third")).Anti(term(hostname, "app=x")).On("a1")},
			vmis: append(leaving(), makeVMI("third", "a1").Evacuating("a1")), nodes: nodes, want: left, scores: map[string]int64{"b1": 45, "b2": 45},
		},
		"a pod that is no VM is not of them": {
			pod: target(), pods: []podBuilder{vm(), db(), sized(makePod("third")).Near(term(hostname, "app=web")).On("a1")},
			vmis: leaving(), nodes: nodes, want: left, scores: map[string]int64{"b1": 45, "b2": 45},
		},
		"a group that needs more than one host of a zone": {
			pod:  sized(makeTarget("vm", 3)).Label("app", "web").Near(term(zone, "app=db")),
			pods: []podBuilder{sized(makeVM("vm")).Near(term(zone, "app=db")).On("a1"), db(), sized(makeVM("third")).Near(term(zone, "app=web")).On("a1"), sized(makeVM("x")).On("b1")},
			vmis: append(leaving(), makeVMI("third", "a1").Evacuating("a1")), nodes: []nodeBuilder{source, withRoom("a2", "a", "64"), withRoom("b1", "b", "2"), withRoom("b2", "b", "2")},
			want: left, scores: map[string]int64{"a2": 100, "b1": 45, "b2": 45}, // the third wants the pod to be near
		},
		"room is by the host, not by the sum of the zone": {
			pod: makeTarget("vm", 3).Near(term(zone, "app=db")).Requests("cpu", "2"),
			pods: []podBuilder{
				makeVM("vm").Requests("cpu", "2").Near(term(zone, "app=db")).On("a1"), db().Requests("cpu", "2"), sized(makeVM("x")).On("b1"), sized(makeVM("y")).On("b2"),
			},
			vmis: leaving(), nodes: []nodeBuilder{source, withRoom("b1", "b", "3"), withRoom("b2", "b", "3")},
			want: left, scores: map[string]int64{"a2": 90, "b1": 45, "b2": 45},
		},
		"what is there takes room": {
			pod: makeTarget("vm", 3).Near(term(zone, "app=db")).Requests("cpu", "2"),
			pods: []podBuilder{
				makeVM("vm").Requests("cpu", "2").Near(term(zone, "app=db")).On("a1"), db().Requests("cpu", "2"), makeVM("x").Requests("cpu", "2").On("b1"), sized(makeVM("y")).On("b2"),
			},
			vmis: leaving(), nodes: []nodeBuilder{source, withRoom("b1", "b", "3"), withRoom("b2", "b", "3")},
			want: left, scores: map[string]int64{"a2": 90},
		},
		"other resources count": {
			pod: makeTarget("vm", 3).Near(term(zone, "app=db")), pods: []podBuilder{makeVM("vm").Near(term(zone, "app=db")).On("a1"), db().Requests("devices.kubevirt.io/kvm", "1")},
			vmis: leaving(), nodes: []nodeBuilder{source, makeNode("b2").Zone("b").Allocatable("devices.kubevirt.io/kvm", "1"), makeNode("none").Zone("c").Allocatable("memory", "0")},
			want: left, scores: map[string]int64{"a2": 90, "b1": 45, "b2": 45},
		},
	})
}

// The score that is put before preferences does not need PreFilter or PreScore.
func TestRule3WithPointsSwitchedOff(t *testing.T) {
	off := schedulerconfig.PluginSet{Disabled: []schedulerconfig.Plugin{{Name: Name}}}
	ctx := testContext(t)
	tc := ruleCase{pods: webAndDB(), vmis: leaving(), nodes: []nodeBuilder{makeNode("a1").Zone("a").Cordoned()}}
	pod := makeTarget("vm", 2).Label("app", "web").Near(term(zone, "app=db")).Obj()
	want := tc.cluster(t).profile(ctx, t).cycle(ctx, t, pod)
	if len(want.Scores) != 4 {
		t.Fatalf("scores %v, want some", want.Scores)
	}
	c := tc.cluster(t)
	c.disabled = schedulerconfig.Plugins{PreFilter: off, PreScore: off}
	if diff := cmp.Diff(want, c.profile(ctx, t).cycle(ctx, t, pod)); diff != "" {
		t.Errorf("(-on +off):\n%s", diff)
	}
}

// Hosts that did not pass Filter offer no room.
func TestRule3RoomIsOnHostsThatAreLeft(t *testing.T) {
	ctx := testContext(t)
	p := ruleCase{pods: webAndDB(), vmis: leaving(), nodes: []nodeBuilder{makeNode("a1").Zone("a").Cordoned()}}.cluster(t).profile(ctx, t)
	p.hosts = without(p.hosts, "b2")
	pod := makeTarget("vm", 2).Near(term(zone, "app=db")).Requests("pods", "1").Obj()
	scores := p.grades(ctx, t, pod)
	if scores["b1"] != gradeTogether || len(scores) != 4 {
		t.Errorf("grades %v, want room in zone b", scores)
	}
	p.hosts = without(p.hosts, "b1")
	if scores := p.grades(ctx, t, pod); len(scores) != 3 {
		t.Errorf("grades %v, want those of three hosts", scores)
	}
}

func without(hosts []fwk.NodeInfo, name string) (rest []fwk.NodeInfo) {
	for _, host := range hosts {
		if host.Node().Name != name {
			rest = append(rest, host)
		}
	}
	return rest
}

func (p *profile) grades(ctx context.Context, t *testing.T, pod *corev1.Pod) map[string]grade {
	t.Helper()
	state := framework.NewCycleState()
	if status := p.plugin.PreScore(ctx, state, pod, p.hosts); !status.IsSuccess() {
		t.Fatal(status)
	}
	s, err := p.plugin.readScore(ctx, state, pod)
	if err != nil {
		t.Fatal(err)
	}
	return s.grades
}
