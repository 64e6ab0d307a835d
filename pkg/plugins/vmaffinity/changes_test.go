// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"pgregory.net/rapid"
)

// tried is a pod that is thought to come to, or go from, a host.
type tried struct {
	pod  *corev1.Pod
	node string
	out  bool
}

// try applies changes to a copy of the state, as preemption does, and returns what is refused then.
func (p *profile) try(ctx context.Context, tb testing.TB, pod *corev1.Pod, changes []tried) result {
	tb.Helper()
	return p.cycle(ctx, tb, pod, func(state fwk.CycleState) { p.apply(ctx, tb, state, pod, changes) })
}

// apply adds pods to, and removes them from, what PreFilter found.
func (p *profile) apply(ctx context.Context, tb testing.TB, state fwk.CycleState, pod *corev1.Pod, changes []tried) {
	tb.Helper()
	for _, c := range changes {
		info, err := framework.NewPodInfo(c.pod)
		if err != nil {
			tb.Fatal(err)
		}
		change := p.RunPreFilterExtensionAddPod
		if c.out {
			change = p.RunPreFilterExtensionRemovePod
		}
		if status := change(ctx, state, pod, info, p.host(c.node)); !status.IsSuccess() {
			tb.Fatal(status)
		}
	}
}

func (p *profile) host(name string) fwk.NodeInfo {
	for _, host := range p.hosts {
		if host.Node().Name == name {
			return host
		}
	}
	return nil
}

func TestChanges(t *testing.T) {
	out := func(b podBuilder) tried { return tried{b.pod, b.pod.Spec.NodeName, true} }
	in := func(b podBuilder) tried { return tried{b.pod, b.pod.Spec.NodeName, false} }
	w, source, target := web("w").On("a1"), webVM("other").On("a1"), webTarget("other", 2).On("b1")
	moving := []podBuilder{source, target}
	here := []vmiBuilder{makeVMI("other", "a1")}
	inA, inB := map[string]string{"a1": tooNear, "a2": tooNear}, map[string]string{"b1": tooNear, "b2": tooNear}
	both := map[string]string{"a1": tooNear, "a2": tooNear, "b1": tooNear, "b2": tooNear}
	apart := makeVM("vm").Anti(term(zone, "app=web"))
	tests := map[string]struct {
		ruleCase
		changes []tried
	}{
		"one goes":                    {ruleCase{pod: makePod("p").Anti(term(zone, "app=web")), pods: []podBuilder{w}}, []tried{out(w)}},
		"one comes":                   {ruleCase{pod: makePod("p").Anti(term(zone, "app=web")), want: inA}, []tried{in(w)}},
		"one goes and comes back":     {ruleCase{pod: makePod("p").Anti(term(zone, "app=web")), pods: []podBuilder{w}, want: inA}, []tried{out(w), in(w)}},
		"one goes that keeps away":    {ruleCase{pod: web("p"), pods: []podBuilder{source}}, []tried{out(source)}},
		"the last goes: nobody first": {ruleCase{pod: makePod("p").Near(term(zone, "app=web")), pods: []podBuilder{w}, want: all(notNear)}, []tried{out(w)}},
		"the last goes: one is first": {ruleCase{pod: web("p").Near(term(zone, "app=web")), pods: []podBuilder{w}, want: map[string]string{"none": notNear}}, []tried{out(w)}},
		"the last goes, and comes": {
			ruleCase{pod: web("p").Near(term(zone, "app=web")), pods: []podBuilder{w}, want: map[string]string{"b1": notNear, "b2": notNear, "none": notNear}}, []tried{out(w), in(w)},
		},
		"one comes: the pod is not the first": {
			ruleCase{pod: web("p").Near(term(zone, "app=web")), want: map[string]string{"b1": notNear, "b2": notNear, "none": notNear}}, []tried{in(w)},
		},
		"the source of a migrating VM goes":            {ruleCase{pod: apart, pods: moving, vmis: here, want: inB}, []tried{out(source)}},
		"its target goes":                              {ruleCase{pod: apart, pods: moving, vmis: here, want: inA}, []tried{out(target)}},
		"both go":                                      {ruleCase{pod: apart, pods: moving, vmis: here}, []tried{out(source), out(target)}},
		"both go, one comes back":                      {ruleCase{pod: apart, pods: moving, vmis: here, want: inA}, []tried{out(source), out(target), in(source)}},
		"a target comes":                               {ruleCase{pod: apart, pods: moving[:1], vmis: here, want: both}, []tried{in(target)}},
		"a VM comes that was nowhere":                  {ruleCase{pod: apart, want: inA}, []tried{in(source)}},
		"the launcher that was left goes":              {ruleCase{pod: apart, pods: moving, vmis: []vmiBuilder{makeVMI("other", "b1")}, want: inB}, []tried{out(source)}},
		"the launcher goes for which another was left": {ruleCase{pod: apart, pods: moving, vmis: []vmiBuilder{makeVMI("other", "b1")}, want: inA}, []tried{out(target)}},
		"affinity: the target comes where the guest is not": {
			ruleCase{pod: makeVM("vm").Near(term(zone, "app=web")), pods: moving[:1], vmis: here, want: map[string]string{"b1": notNear, "b2": notNear, "none": notNear}}, []tried{in(target)},
		},
		"affinity: the source goes, and the guest is at the target": {
			ruleCase{pod: makeVM("vm").Near(term(zone, "app=web")), pods: moving, vmis: here, want: map[string]string{"a1": notNear, "a2": notNear, "none": notNear}}, []tried{out(source)},
		},
		"affinity: a target comes, and the pod follows in an evacuation": {
			ruleCase{
				pod: makeTarget("vm", 5).Near(term(zone, "app=web")), pods: []podBuilder{makeVM("other").Label("app", "web").On("a1"), makeVM("vm").On("a1")},
				vmis: []vmiBuilder{makeVMI("other", "a1").Evacuating("a1"), makeVMI("vm", "a1").Evacuating("a1")}, want: map[string]string{"a1": tooNear, "none": notNear},
			},
			[]tried{in(makeTarget("other", 2).Label("app", "web").On("b1"))},
		},
		"the pod's own source goes": {ruleCase{pod: webTarget("other", 3).UID("new"), pods: moving[:1], vmis: here}, []tried{out(source)}},
		"another target of the pod's own VM comes": {
			ruleCase{pod: webTarget("other", 3).UID("new"), pods: moving[:1], vmis: here, want: map[string]string{"a1": tooNear, "b1": tooNear}}, []tried{in(target)},
		},
		"KubeVirt's own terms hold for what is labelled as their VM's": {
			ruleCase{pod: makePod("p").Label("kubevirt.io/created-by", "other").Anti(term(zone, "app=x")), pods: moving, want: map[string]string{"a1": repelled}},
			[]tried{out(target), in(makeTarget("other", 3).UID("new").On("a1"))},
		},
		"a launcher on a host that is off goes, and comes back": {
			ruleCase{pod: apart, pods: moving[:1], vmis: here, off: []string{"a1"}}, []tried{out(source), in(source)},
		},
		"a launcher comes to a host that is off": {
			ruleCase{pod: apart, vmis: here, off: []string{"a1"}}, []tried{in(source)},
		},
		"a launcher on a host that is off": {
			ruleCase{pod: apart, pods: moving, vmis: here, off: []string{"a1"}}, []tried{out(target)},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			got := tc.cluster(t).profile(ctx, t).try(ctx, t, tc.pod.Obj(), tc.changes)
			if tc.want == nil {
				tc.want = map[string]string{}
			}
			if diff := cmp.Diff(tc.want, got.Refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

func all(reason string) map[string]string {
	refused := map[string]string{}
	for _, node := range zones() {
		refused[node.Name] = reason
	}
	return refused
}

// What is tried in a copy of the state is not seen in another.
func TestChangesStayInTheirCopy(t *testing.T) {
	ctx := testContext(t)
	w, x := web("w").On("a1"), web("x").On("b1")
	p := cluster{nodes: zones(), pods: objects([]podBuilder{w})}.profile(ctx, t)
	pod := makePod("p").Anti(term(zone, "app=web")).Obj()
	state := framework.NewCycleState()
	if _, status := p.plugin.PreFilter(ctx, state, pod, p.hosts); !status.IsSuccess() {
		t.Fatal(status)
	}
	change := func(s fwk.CycleState, b podBuilder, node int, by func(context.Context, fwk.CycleState, *corev1.Pod, fwk.PodInfo, fwk.NodeInfo) *fwk.Status) {
		info, err := framework.NewPodInfo(b.pod)
		if err != nil {
			t.Fatal(err)
		}
		if status := by(ctx, s, pod, info, p.hosts[node]); !status.IsSuccess() {
			t.Fatal(status)
		}
	}
	at := func(name string) int {
		return slices.IndexFunc(p.hosts, func(h fwk.NodeInfo) bool { return h.Node().Name == name })
	}
	refused := func(s fwk.CycleState) (list []string) {
		for _, host := range p.hosts {
			if status := p.plugin.Filter(ctx, s, pod, host); !status.IsSuccess() {
				list = append(list, host.Node().Name)
			}
		}
		slices.Sort(list)
		return list
	}
	first := state.Clone()
	change(first, w, at("a1"), p.plugin.RemovePod)
	second := first.Clone()
	change(second, x, at("b1"), p.plugin.AddPod)
	third := second.Clone()
	change(second, w, at("a1"), p.plugin.AddPod)
	for name, tc := range map[string]struct {
		state fwk.CycleState
		want  []string
	}{
		"the original": {state, []string{"a1", "a2"}}, "the first": {first, nil},
		"the second": {second, []string{"a1", "a2", "b1", "b2"}}, "the third": {third, []string{"b1", "b2"}},
	} {
		if diff := cmp.Diff(tc.want, refused(tc.state)); diff != "" {
			t.Errorf("%s: refused (-want +got):\n%s", name, diff)
		}
	}
}

// drawTerm draws terms over few labels, so that they meet pods often.
func drawTerm(t *rapid.T) termBuilder {
	key := rapid.SampledFrom([]string{hostname, zone}).Draw(t, "topology key")
	return term(key, rapid.SampledFrom([]string{"app=web", "app=db", "app", "app notin (web)", ""}).Draw(t, "selector"))
}

func drawPod(t *rapid.T, b podBuilder) podBuilder {
	if app := rapid.SampledFrom([]string{"", "web", "db"}).Draw(t, "app"); app != "" {
		b = b.Label("app", app)
	}
	for range rapid.IntRange(0, 2).Draw(t, "affinity") {
		b = b.Near(drawTerm(t))
	}
	for range rapid.IntRange(0, 2).Draw(t, "anti-affinity") {
		b = b.Anti(drawTerm(t))
	}
	return b
}

// drawLaunchers draws launchers of some VMs, and pods that are no VMs; each has a name and UID of its own.
func drawLaunchers(t *rapid.T) (pods []podBuilder) {
	on := func() string { return rapid.SampledFrom([]string{"a1", "a2", "b1", "b2", "none"}).Draw(t, "host") }
	for v := range 3 {
		uid := types.UID(fmt.Sprintf("vm-%d", v))
		for i := range rapid.IntRange(0, 3).Draw(t, "launchers") {
			b := makeVM(uid)
			if i > 0 || rapid.Bool().Draw(t, "migrated before") {
				b = makeTarget(uid, int64(1+rapid.IntRange(0, 3).Draw(t, "created")))
			}
			b = drawPod(t, b.UID(types.UID(fmt.Sprintf("%s-%d", uid, i)))).On(on())
			b.pod.Name = string(b.pod.UID)
			pods = append(pods, b)
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "others") {
		pods = append(pods, drawPod(t, makePod(fmt.Sprintf("pod-%d", i))).On(on()))
	}
	return pods
}

// After pods came and went, hosts are refused as if PreFilter had found these there.
func TestChangesAreAsIfPreFilterHadSeenThem(t *testing.T) {
	compared := 0
	all := ruleCase{
		vmis: []vmiBuilder{makeVMI("vm-0", "a1").Evacuating("a1"), makeVMI("vm-1", "b1").Evacuating("a1"), makeVMI("vm-2", "a1")}, off: []string{"a2"},
	}.cluster(t)
	all.config = all.api(t)
	rapid.Check(t, func(rt *rapid.T) {
		ctx, cancel := context.WithCancel(testContext(t))
		defer cancel()
		pods := drawLaunchers(rt)
		incoming := makePod("p")
		switch rapid.IntRange(0, 3).Draw(rt, "incoming") {
		case 0:
			incoming = makeVM("new")
		case 1, 2:
			incoming = makeTarget("vm-0", 9).UID("incoming")
		}
		pod := drawPod(rt, incoming).Obj()
		there := map[int]bool{}
		var before, after []podBuilder
		for i := range pods {
			if rapid.Bool().Draw(rt, "there at first") {
				there[i] = true
				before = append(before, pods[i])
			}
		}
		var changes []tried
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, max(len(pods)-1, 0)), 0, 4).Draw(rt, "changes") {
			if len(pods) == 0 {
				break
			}
			changes = append(changes, tried{pods[i].pod, pods[i].pod.Spec.NodeName, there[i]})
			there[i] = !there[i]
		}
		for i := range pods {
			if there[i] {
				after = append(after, pods[i])
			}
		}
		if pod.Spec.Affinity == nil {
			return // PreFilter skips: then the framework tells the plugin nothing, as with upstream's
		}
		compared++
		with := func(pods []podBuilder) *profile {
			c := all
			c.pods = objects(pods)
			return c.profile(ctx, t)
		}
		got, want := with(before).try(ctx, t, pod, changes), with(after).cycle(ctx, t, pod)
		if diff := cmp.Diff(want.Refused, got.Refused); diff != "" {
			rt.Fatalf("refused (-seen by PreFilter +tried):\n%s", diff)
		}
	})
	if compared == 0 {
		t.Error("nothing was compared")
	}
}
