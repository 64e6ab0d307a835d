// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// ruleCase is a pod in a cluster of zones().
type ruleCase struct {
	pod    podBuilder
	pods   []podBuilder
	vmis   []vmiBuilder
	nodes  []nodeBuilder // in place of those of zones() with their names
	off    []string
	failed []string
	change func(*config.VMAffinityArgs)
	want   map[string]string
	scores map[string]int64
}

func (tc ruleCase) cluster(t *testing.T) cluster {
	t.Helper()
	c := cluster{nodes: zones(), pods: objects(tc.pods), off: tc.off, failed: tc.failed, args: defaultArgs(t)}
	for _, other := range tc.nodes {
		for i := range c.nodes {
			if c.nodes[i].Name == other.node.Name {
				c.nodes[i] = other.Obj()
			}
		}
	}
	for _, b := range tc.vmis {
		c.vmis = append(c.vmis, b.Obj())
	}
	if tc.change != nil {
		tc.change(c.args)
	}
	return c
}

func check(t *testing.T, tests map[string]ruleCase) {
	t.Helper()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			got := tc.cluster(t).profile(ctx, t).cycle(ctx, t, tc.pod.Obj())
			if tc.want == nil {
				tc.want = map[string]string{}
			}
			if diff := cmp.Diff(tc.want, got.Refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.scores, nonzero(got.Scores)); diff != "" {
				t.Errorf("scores (-want +got):\n%s", diff)
			}
		})
	}
}

// web VMs are apart by zones, each from each.
func webVM(vm string) podBuilder {
	return makeVM(types.UID(vm)).Label("app", "web").Anti(term(zone, "app=web"))
}

func webTarget(vm string, at int64) podBuilder {
	return makeTarget(types.UID(vm), at).Label("app", "web").Anti(term(zone, "app=web"))
}

// A failed migration after another VM was placed leaves no two VMs together that keep apart: while the guest is under way, its
// source and its target are both taken.
func TestRule1AMigratingVMIsKeptAwayFromAtSourceAndTarget(t *testing.T) {
	moving := []podBuilder{
		makeVM("other").Label("app", "web").On("a1"), makeTarget("other", 2).Label("app", "web").On("b1"),
	}
	both := map[string]string{"a1": tooNear, "a2": tooNear, "b1": tooNear, "b2": tooNear}
	pod := makeVM("vm").Anti(term(zone, "app=web"))
	check(t, map[string]ruleCase{
		"the guest is at the source":                {pod: pod, pods: moving, vmis: []vmiBuilder{makeVMI("other", "a1")}, want: both},
		"KubeVirt does not say where the guest is":  {pod: pod, pods: moving, want: both},
		"the guest is at the target: the source is": {pod: pod, pods: moving, vmis: []vmiBuilder{makeVMI("other", "b1")}, want: map[string]string{"b1": tooNear, "b2": tooNear}},
		"the target is gone: only the source is":    {pod: pod, pods: moving[:1], vmis: []vmiBuilder{makeVMI("other", "a1")}, want: map[string]string{"a1": tooNear, "a2": tooNear}},
	})
}

func TestRule1AMigratingVMKeepsAwayAtSourceAndTarget(t *testing.T) {
	moving := []podBuilder{webVM("other").On("a1"), webTarget("other", 2).On("b1")}
	both := map[string]string{"a1": repelled, "a2": repelled, "b1": repelled, "b2": repelled}
	pod := makeVM("vm").Label("app", "web")
	check(t, map[string]ruleCase{
		"the guest is at the source":               {pod: pod, pods: moving, vmis: []vmiBuilder{makeVMI("other", "a1")}, want: both},
		"KubeVirt does not say where the guest is": {pod: pod, pods: moving, want: both},
		"the guest is at the target":               {pod: pod, pods: moving, vmis: []vmiBuilder{makeVMI("other", "b1")}, want: map[string]string{"b1": repelled, "b2": repelled}},
		"the target is gone":                       {pod: pod, pods: moving[:1], vmis: []vmiBuilder{makeVMI("other", "a1")}, want: map[string]string{"a1": repelled, "a2": repelled}},
	})
}

// Two launchers in one zone weigh as much as one, in both directions.
func TestRule1AVMCountsOncePerTopologyValue(t *testing.T) {
	check(t, map[string]ruleCase{
		"what the pod prefers": {
			pod: makeVM("vm").PrefersAnti(10, term(zone, "app=web")).PrefersAnti(10, term(hostname, "app=web")),
			pods: []podBuilder{
				makeVM("1").Label("app", "web").On("a1"), makeTarget("1", 2).Label("app", "web").On("a2"), makeVM("2").Label("app", "web").On("b1"),
			},
			vmis:   []vmiBuilder{makeVMI("1", "a1")},
			scores: map[string]int64{"b2": 50, "none": 100}, // all others are at -20
		},
		"what others prefer": {
			pod: makeVM("vm").Label("app", "web"),
			pods: []podBuilder{
				makeVM("1").PrefersAnti(10, term(zone, "app=web")).On("a1"), makeTarget("1", 2).PrefersAnti(10, term(zone, "app=web")).On("a2"),
				makeVM("2").PrefersAnti(10, term(zone, "app=web")).On("b1"),
			},
			vmis:   []vmiBuilder{makeVMI("1", "a1")},
			scores: map[string]int64{"none": 100},
		},
		"a preference that its owner has twice counts twice": {
			pod: makeVM("vm").Label("app", "web"),
			pods: []podBuilder{
				makeVM("1").PrefersAnti(5, term(zone, "app=web")).PrefersAnti(5, term(zone, "app=web")).On("a1"),
				makeTarget("1", 2).PrefersAnti(5, term(zone, "app=web")).PrefersAnti(5, term(zone, "app=web")).On("a2"),
				makeVM("2").PrefersAnti(5, term(zone, "app=web")).On("b1"),
			},
			vmis:   []vmiBuilder{makeVMI("1", "a1")},
			scores: map[string]int64{"b1": 50, "b2": 50, "none": 100},
		},
		"a preference that was changed between two launchers counts as it is at each": {
			pod: makeVM("vm").Label("app", "web"),
			pods: []podBuilder{
				makeVM("1").PrefersAnti(10, term(zone, "app=web")).On("a1"), makeTarget("1", 2).PrefersAnti(30, term(zone, "app=web")).On("a2"),
				makeVM("2").PrefersAnti(10, term(zone, "app=web")).On("b1"),
			},
			vmis:   []vmiBuilder{makeVMI("1", "a1")},
			scores: map[string]int64{"b1": 75, "b2": 75, "none": 100},
		},
	})
}

func TestRule1AffinityIsToWhereTheGuestIs(t *testing.T) {
	moving := []podBuilder{makeVM("other").Label("app", "db").On("a1"), makeTarget("other", 2).Label("app", "db").On("b1")}
	pod := func() podBuilder { return makeVM("vm").Near(term(zone, "app=db")) }
	inA, inB := map[string]string{"b1": notNear, "b2": notNear, "none": notNear}, map[string]string{"a1": notNear, "a2": notNear, "none": notNear}
	check(t, map[string]ruleCase{
		"at the source":                        {pod: pod(), pods: moving, vmis: []vmiBuilder{makeVMI("other", "a1")}, want: inA},
		"at the source, where the VM is first": {pod: pod().Label("app", "db"), pods: moving, vmis: []vmiBuilder{makeVMI("other", "a1")}, want: inA},
		"KubeVirt does not say":                {pod: pod(), pods: moving, want: inA},
		"at the target":                        {pod: pod(), pods: moving, vmis: []vmiBuilder{makeVMI("other", "b1")}, want: inB},
		"the other is evacuated, this one not": {pod: pod(), pods: moving, vmis: []vmiBuilder{makeVMI("other", "a1").Evacuating("a1"), makeVMI("vm", "a1")}, want: inA},
		"both are evacuated, from two hosts":   {pod: pod(), pods: moving, vmis: []vmiBuilder{makeVMI("other", "a1").Evacuating("a1"), makeVMI("vm", "b2").Evacuating("b2")}, want: inA},
		"preferred": {
			pod: makeVM("vm").PrefersNear(10, term(zone, "app=db")), pods: moving, vmis: []vmiBuilder{makeVMI("other", "a1")},
			scores: map[string]int64{"a1": 100, "a2": 100},
		},
		"others require it": {
			pod:  makeVM("vm").Label("app", "web"),
			pods: []podBuilder{makeVM("other").Near(term(zone, "app=web")).On("a1"), makeTarget("other", 2).Near(term(zone, "app=web")).On("b1")},
			vmis: []vmiBuilder{makeVMI("other", "a1")}, scores: map[string]int64{"a1": 100, "a2": 100},
		},
		"others prefer it": {
			pod:  makeVM("vm").Label("app", "web"),
			pods: []podBuilder{makeVM("other").PrefersNear(3, term(zone, "app=web")).On("a1"), makeTarget("other", 2).PrefersNear(3, term(zone, "app=web")).On("b1")},
			vmis: []vmiBuilder{makeVMI("other", "b1")}, scores: map[string]int64{"b1": 100, "b2": 100},
		},
	})
}

func TestRule1MembersOfAnEvacuationFollowATargetBeforeItsGuest(t *testing.T) {
	leaving := []vmiBuilder{makeVMI("db", "a1").Evacuating("a1"), makeVMI("vm", "a1").Evacuating("a1")}
	check(t, map[string]ruleCase{
		"required": {
			pod:  makeTarget("vm", 3).Near(term(zone, "app=db")),
			pods: []podBuilder{makeVM("db").Label("app", "db").On("a1"), makeTarget("db", 2).Label("app", "db").On("b1"), makeVM("vm").Near(term(zone, "app=db")).On("a1")},
			vmis: leaving, want: map[string]string{"a1": tooNear, "none": notNear},
		},
		"preferred, in both directions": {
			pod: makeTarget("vm", 3).Label("app", "web").PrefersNear(10, term(zone, "app=db")),
			pods: []podBuilder{
				makeVM("db").Label("app", "db").PrefersNear(10, term(hostname, "app=web")).On("a1"),
				makeTarget("db", 2).Label("app", "db").PrefersNear(10, term(hostname, "app=web")).On("b1"), makeVM("vm").On("a1"),
			},
			vmis: leaving, want: map[string]string{"a1": tooNear}, scores: map[string]int64{"a2": 50, "b1": 100, "b2": 50},
		},
		"both launchers in one zone are one VM": {
			pod: makeTarget("vm", 3).PrefersNear(10, term(zone, "app=db")),
			pods: []podBuilder{
				makeVM("db").Label("app", "db").On("a1"), makeTarget("db", 2).Label("app", "db").On("a2"), makeVM("vm").On("a1"),
				makeVM("db2").Label("app", "db").On("b1"),
			},
			vmis: leaving, want: map[string]string{"a1": tooNear}, scores: map[string]int64{"a2": 100, "b1": 100, "b2": 100},
		},
	})
}

// Seen on a real control plane with upstream's plugin: three VMs in three zones, and none of them could ever leave its host.
func TestRule2AVMDoesNotStandInItsOwnWay(t *testing.T) {
	check(t, map[string]ruleCase{
		"its source keeps it out of no zone, only of its host": {
			pod:  webTarget("vm", 2),
			pods: []podBuilder{webVM("vm").On("a1"), webVM("other").On("b1")},
			vmis: []vmiBuilder{makeVMI("vm", "a1"), makeVMI("other", "b1")},
			want: map[string]string{"a1": tooNear, "b1": tooNear, "b2": tooNear},
		},
		"nor does it after a migration": {
			pod: webTarget("vm", 3), pods: []podBuilder{webTarget("vm", 2).UID("source").On("a1")},
			vmis: []vmiBuilder{makeVMI("vm", "a1")}, want: map[string]string{"a1": tooNear},
		},
		"a VM that starts again finds no trace of itself": {
			pod: webVM("vm").UID("again"), pods: []podBuilder{webVM("vm").On("a1")}, vmis: []vmiBuilder{makeVMI("vm", "")},
		},
		"it does not come near itself": {
			pod: makeTarget("vm", 2).Label("app", "db").Near(term(zone, "app=db")), pods: []podBuilder{makeVM("vm").Label("app", "db").Near(term(zone, "app=db")).On("a1")},
			vmis: []vmiBuilder{makeVMI("vm", "a1")}, want: map[string]string{"a1": tooNear, "none": notNear},
		},
		"it is not where it wants to be with others": {
			pod:  makeTarget("vm", 2).Label("app", "db").Near(term(zone, "app=db")),
			pods: []podBuilder{makeVM("vm").Label("app", "db").On("a1"), makeVM("other").Label("app", "db").On("b1")},
			vmis: []vmiBuilder{makeVMI("vm", "a1")}, want: map[string]string{"a1": notNear, "a2": notNear, "none": notNear},
		},
		"preferences, of the pod and of its source": {
			pod: makeTarget("vm", 2).Label("app", "web").PrefersAnti(10, term(zone, "app=web")),
			pods: []podBuilder{
				makeVM("vm").Label("app", "web").PrefersAnti(10, term(zone, "app=web")).Near(term(zone, "app=web")).On("a1"), makeVM("other").Label("app", "web").On("b1"),
			},
			vmis: []vmiBuilder{makeVMI("vm", "a1")}, want: map[string]string{"a1": tooNear}, scores: map[string]int64{"a2": 100, "none": 100},
		},
	})
}

// A target never lands on its source, whichever of the two has KubeVirt's own term.
func TestRule2KubeVirtsOwnTermAlwaysHolds(t *testing.T) {
	check(t, map[string]ruleCase{
		"the target has it": {pod: makeTarget("vm", 2), pods: []podBuilder{makeVM("vm").On("a1")}, vmis: []vmiBuilder{makeVMI("vm", "a1")}, want: map[string]string{"a1": tooNear}},
		"the source has it": {
			pod: makeVM("vm"), pods: []podBuilder{makeTarget("vm", 2).On("a1")}, vmis: []vmiBuilder{makeVMI("vm", "a1")}, want: map[string]string{"a1": repelled},
		},
		"both have it, and there is another target": {
			pod:  makeTarget("vm", 4),
			pods: []podBuilder{makeTarget("vm", 2).UID("1").On("a1"), makeTarget("vm", 3).UID("2").On("b1")},
			vmis: []vmiBuilder{makeVMI("vm", "a1")}, want: map[string]string{"a1": tooNear, "b1": tooNear},
		},
		"the source's host was proved to be off": {
			pod: makeTarget("vm", 2), pods: []podBuilder{makeVM("vm").On("a1")}, vmis: []vmiBuilder{makeVMI("vm", "a1")}, off: []string{"a1"},
			want: map[string]string{"a1": tooNear},
		},
		"an affinity in the same words is not it, and so the VM's own is left out": {
			pod: makeVM("vm").UID("again"), pods: []podBuilder{makeVM("vm").Near(term(hostname, kubevirtv1.CreatedByLabel+"=vm")).On("a1")}, vmis: []vmiBuilder{makeVMI("vm", "a1")},
		},
		"neither has it": {pod: makeVM("vm").UID("again"), pods: []podBuilder{makeVM("vm").On("a1")}, vmis: []vmiBuilder{makeVMI("vm", "a1")}},
		"that of another VM does not concern it": {
			pod: makeVM("vm"), pods: []podBuilder{makeTarget("other", 2).On("a1")}, vmis: []vmiBuilder{makeVMI("other", "a1")},
		},
		"one that asks for more is not KubeVirt's, and so the VM's own pod is left out": {
			pod: makeVM("vm").Anti(term(hostname, kubevirtv1.CreatedByLabel+"=vm,app")), pods: []podBuilder{makeVM("vm").Label("app", "x").On("a1")},
			vmis: []vmiBuilder{makeVMI("vm", "a1")},
		},
		"nor is one by zone": {
			pod: makeVM("vm").Anti(term(zone, kubevirtv1.CreatedByLabel+"=vm")), pods: []podBuilder{makeVM("vm").On("a1")}, vmis: []vmiBuilder{makeVMI("vm", "a1")},
		},
	})
}

func TestRule4AVMDoesNotCountOnAHostThatIsProvedToBeOff(t *testing.T) {
	there := []podBuilder{webVM("other").Near(term(zone, "app=db")).On("a1")}
	vmis := []vmiBuilder{makeVMI("other", "a1")}
	check(t, map[string]ruleCase{
		"anti-affinity":           {pod: makeVM("vm").Anti(term(zone, "app=web")), pods: there, vmis: vmis, off: []string{"a1"}},
		"anti-affinity of others": {pod: makeVM("vm").Label("app", "web"), pods: there, vmis: vmis, off: []string{"a1"}},
		"affinity": {
			pod: makeVM("vm").Near(term(zone, "app=web")), pods: there, vmis: vmis, off: []string{"a1"},
			want: map[string]string{"a1": notNear, "a2": notNear, "b1": notNear, "b2": notNear, "none": notNear},
		},
		"affinity of others": {pod: makeVM("vm").Label("app", "db"), pods: there, vmis: vmis, off: []string{"a1"}},
		"without a proof it counts": {
			pod: makeVM("vm").Anti(term(zone, "app=web")), pods: there, vmis: vmis, failed: []string{"a1"}, want: map[string]string{"a1": tooNear, "a2": tooNear},
		},
		"its target, elsewhere, counts": {
			pod:  makeVM("vm").Anti(term(zone, "app=web")),
			pods: append(there[:1:1], webTarget("other", 2).On("b1")), vmis: vmis, off: []string{"a1"}, want: map[string]string{"b1": tooNear, "b2": tooNear},
		},
		"a pod that is no VM counts": {
			pod: makeVM("vm").Anti(term(zone, "app=web")), pods: []podBuilder{web("w").On("a1")}, off: []string{"a1"}, want: map[string]string{"a1": tooNear, "a2": tooNear},
		},
	})
}

// What a pod that is no VM is told, of VMs and of others, is what upstream tells it.
func TestNoRuleAppliesToPodsThatAreNoVMs(t *testing.T) {
	there := []podBuilder{
		webVM("moving").PrefersAnti(7, term(hostname, "app=db")).On("a1"), webTarget("moving", 2).PrefersAnti(7, term(hostname, "app=db")).On("b1"),
		makeVM("off").Label("app", "db").PrefersNear(9, term(zone, "app")).On("b2"), makeTarget("moved", 1).Label("app", "db").On("a2"),
		makeVM("moved").Label("app", "db").UID("behind").On("b2"),
	}
	vmis := []vmiBuilder{makeVMI("moving", "b1").Evacuating("b1"), makeVMI("off", "b2"), makeVMI("moved", "a2")}
	for name, pod := range map[string]podBuilder{
		"plain":                        makePod("p"),
		"kept away":                    web("p"),
		"kept away, and preferred":     makePod("p").Label("app", "db"),
		"affinity":                     makePod("p").Near(term(zone, "app=web")),
		"affinity to what is off":      makePod("p").Near(term(hostname, "app=db")),
		"anti-affinity":                makePod("p").Anti(term(hostname, "app in (web,db)")),
		"preferences":                  makePod("p").PrefersNear(3, term(hostname, "app=web")).PrefersAnti(2, term(zone, "app=db")),
		"labelled as a VM's":           makePod("p").Label(kubevirtv1.CreatedByLabel, "moving"),
		"a VM's pod but no launcher":   web("p").Label(kubevirtv1.CreatedByLabel, "moving").Label(kubevirtv1.AppLabel, "hotplug-disk"),
		"KubeVirt's own term":          makePod("p").Anti(term(hostname, kubevirtv1.CreatedByLabel+"=moving")),
		"first of its kind":            makePod("p").Label("x", "y").Near(term(zone, "x=y")),
		"a launcher of no VM by label": makePod("p").Label(kubevirtv1.AppLabel, "virt-launcher").Anti(term(zone, "app=web")),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			c := ruleCase{pods: there, vmis: vmis, off: []string{"b2"}, nodes: []nodeBuilder{makeNode("b1").Zone("b").Cordoned()}}.cluster(t)
			c.checkUpstream(ctx, t, pod.Obj(), c.profile(ctx, t).cycle(ctx, t, pod.Obj()))
		})
	}
}
