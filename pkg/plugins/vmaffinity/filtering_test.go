// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// zones are two zones of two hosts, and a host in none.
func zones() []*corev1.Node {
	return []*corev1.Node{
		makeNode("a1").Zone("a").Obj(), makeNode("a2").Zone("a").Obj(),
		makeNode("b1").Zone("b").Obj(), makeNode("b2").Zone("b").Obj(), makeNode("none").Obj(),
	}
}

func shops() []*corev1.Namespace {
	return []*corev1.Namespace{
		makeNamespace("shop", map[string]string{"team": "shop"}), makeNamespace("shop-test", map[string]string{"team": "shop", "stage": "test"}),
		makeNamespace("bank", map[string]string{"team": "bank"}),
	}
}

// filterCases concern pods that are no VMs: upstream's plugin says the same.
var filterCases = map[string]struct {
	pod  podBuilder
	pods []podBuilder
	want map[string]string
}{
	"nobody says anything": {pod: makePod("p"), pods: []podBuilder{web("w").On("a1")}},
	"affinity within a zone": {
		pod: makePod("p").Near(term(zone, "app=web")), pods: []podBuilder{web("w").On("a1")},
		want: map[string]string{"b1": notNear, "b2": notNear, "none": notNear},
	},
	"affinity to nobody": {
		pod: makePod("p").Near(term(zone, "app=web")), pods: []podBuilder{makePod("w").On("a1")},
		want: map[string]string{"a1": notNear, "a2": notNear, "b1": notNear, "b2": notNear, "none": notNear},
	},
	"the first of those that want to be near each other goes anywhere where there are zones": {
		pod: web("p").Near(term(zone, "app=web")), pods: []podBuilder{makePod("w").On("a1")}, want: map[string]string{"none": notNear},
	},
	"the second does not": {
		pod: web("p").Near(term(zone, "app=web")), pods: []podBuilder{web("w").On("b2")},
		want: map[string]string{"a1": notNear, "a2": notNear, "none": notNear},
	},
	"one on a host without zones makes nobody the second": {
		pod: web("p").Near(term(zone, "app=web")), pods: []podBuilder{web("w").On("none")}, want: map[string]string{"none": notNear},
	},
	"one in another namespace makes nobody the second": {
		pod: web("p").Near(term(zone, "app=web")), pods: []podBuilder{web("w").Namespace("shop").On("a1")}, want: map[string]string{"none": notNear},
	},
	"one pod has to match all terms": {
		pod:  makePod("p").Near(term(zone, "app=web")).Near(term(zone, "tier=1")),
		pods: []podBuilder{web("w").On("a1"), makePod("t").Label("tier", "1").On("a1"), web("both").Label("tier", "1").On("b1")},
		want: map[string]string{"a1": notNear, "a2": notNear, "none": notNear},
	},
	"all keys of the terms have to be there, each with a match": {
		pod:  makePod("p").Near(term(zone, "app=web")).Near(term(hostname, "app=web")),
		pods: []podBuilder{web("w").On("a1"), web("w2").On("none")},
		want: map[string]string{"a2": notNear, "b1": notNear, "b2": notNear, "none": notNear},
	},
	"a pod that matches its own terms in part is not the first": {
		pod:  web("p").Near(term(zone, "app=web")).Near(term(zone, "tier=1")),
		want: map[string]string{"a1": notNear, "a2": notNear, "b1": notNear, "b2": notNear, "none": notNear},
	},
	"anti-affinity within a zone": {
		pod: makePod("p").Anti(term(zone, "app=web")), pods: []podBuilder{web("w").On("a1")}, want: map[string]string{"a1": tooNear, "a2": tooNear},
	},
	"anti-affinity on hosts": {
		pod: makePod("p").Anti(term(hostname, "app=web")), pods: []podBuilder{web("w").On("a1"), web("w2").On("none")},
		want: map[string]string{"a1": tooNear, "none": tooNear},
	},
	"two terms of anti-affinity, each for itself": {
		pod:  makePod("p").Anti(term(zone, "app=web")).Anti(term(zone, "tier=1")),
		pods: []podBuilder{web("w").On("a1"), makePod("t").Label("tier", "1").On("b1")},
		want: map[string]string{"a1": tooNear, "a2": tooNear, "b1": tooNear, "b2": tooNear},
	},
	"anti-affinity of others": {
		pod: web("p"), pods: []podBuilder{makePod("w").Anti(term(zone, "app=web")).On("b1")}, want: map[string]string{"b1": repelled, "b2": repelled},
	},
	"anti-affinity of others to somebody else": {
		pod: makePod("p"), pods: []podBuilder{makePod("w").Anti(term(zone, "app=web")).On("b1")},
	},
	"many terms of others": {
		pod: web("p").Label("tier", "1"),
		pods: []podBuilder{
			makePod("1").Anti(term(zone, "app=web")).On("a1"), makePod("2").Anti(term(zone, "app in (web)")).On("a1"),
			makePod("3").Anti(term(zone, "app in (web,db)")).On("a1"), makePod("4").Anti(term(zone, "app")).On("a1"),
			makePod("5").Anti(term(zone, "app notin (db)")).On("a1"), makePod("6").Anti(term(zone, "tier=1")).On("a1"),
			makePod("7").Anti(term(zone, "tier")).On("a1"), makePod("8").Anti(term(zone, "!x")).On("a1"),
			makePod("9").Anti(term(zone, "app=web,tier=1")).On("a1"), makePod("10").Anti(term(hostname, "app=web")).On("b2"),
		},
		want: map[string]string{"a1": repelled, "a2": repelled, "b2": repelled},
	},
	"all at once: affinity is said first, then the pod's anti-affinity": {
		pod:  web("p").Near(term(zone, "app=web")).Anti(term(hostname, "app=web")),
		pods: []podBuilder{web("w").Anti(term(hostname, "app=web")).On("a1")},
		want: map[string]string{"a1": tooNear, "b1": notNear, "b2": notNear, "none": notNear},
	},
	"a namespace by name": {
		pod: makePod("p").Anti(term(hostname, "app=web").In("shop")), pods: []podBuilder{web("w").On("a1"), web("s").Namespace("shop").On("a2")},
		want: map[string]string{"a2": tooNear},
	},
	"namespaces that are selected, and one by name": {
		pod: makePod("p").Anti(term(hostname, "app=web").InThose("team=shop,stage=test").In("bank")),
		pods: []podBuilder{
			web("w").On("a1"), web("s").Namespace("shop").On("a2"), web("t").Namespace("shop-test").On("b1"), web("u").Namespace("bank").On("b2"),
		},
		want: map[string]string{"b1": tooNear, "b2": tooNear},
	},
	"all namespaces": {
		pod: makePod("p").Anti(term(hostname, "app=web").InThose("")), pods: []podBuilder{web("w").On("a1"), web("s").Namespace("nowhere").On("a2")},
		want: map[string]string{"a1": tooNear, "a2": tooNear},
	},
	"others select the pod's namespace": {
		pod: web("p").Namespace("shop"),
		pods: []podBuilder{
			makePod("1").Anti(term(hostname, "app=web").InThose("team=shop")).On("a1"), makePod("2").Anti(term(hostname, "app=web").InThose("stage=test")).On("a2"),
			makePod("3").Anti(term(hostname, "app=web").InThose("stage notin (test)")).On("b1"), makePod("4").Anti(term(hostname, "app=web")).On("b2"),
			makePod("5").Anti(term(hostname, "app=web").InThose("")).On("none"),
		},
		want: map[string]string{"a1": repelled, "b1": repelled, "none": repelled},
	},
	"a selector that nothing matches": {
		pod: nothing(makePod("p").Near(term(zone, ""))), pods: []podBuilder{web("w").On("a1")},
		want: map[string]string{"a1": notNear, "a2": notNear, "b1": notNear, "b2": notNear, "none": notNear},
	},
	"a term that cannot be read": {
		pod: broken(makePod("p")), want: map[string]string{"a1": unread, "a2": unread, "b1": unread, "b2": unread, "none": unread},
	},
	"KubeVirt's own terms hold for what is labelled as their VM's": {
		pod: makePod("p").Label("kubevirt.io/created-by", "vm"), pods: []podBuilder{makeTarget("vm", 2).On("a1")}, want: map[string]string{"a1": repelled},
	},
}

const unread = `UnschedulableAndUnresolvable: reading the pod's affinity: "no" is not a valid label selector operator`

func web(name string) podBuilder { return makePod(name).Label("app", "web") }

// nothing makes of a pod's first term one with no selector at all, which matches nothing.
func nothing(b podBuilder) podBuilder {
	b.pod.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector = nil
	return b
}

func broken(b podBuilder) podBuilder {
	b = b.PrefersAnti(1, term(zone, "app=web"))
	b.pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm.LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "no"}}}
	return b
}

func objects(pods []podBuilder) []*corev1.Pod {
	var list []*corev1.Pod
	for _, b := range pods {
		list = append(list, b.Obj())
	}
	return list
}

func TestFilter(t *testing.T) {
	for name, tc := range filterCases {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			c := cluster{nodes: zones(), pods: objects(tc.pods), namespaces: shops()}
			got := c.profile(ctx, t).cycle(ctx, t, tc.pod.Obj())
			want := tc.want
			if want == nil {
				want = map[string]string{}
			}
			if diff := cmp.Diff(want, got.Refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			c.checkUpstream(ctx, t, tc.pod.Obj(), got)
		})
	}
}

// Upstream 1.35 lets these select all namespaces, against the API: see resolve.
func TestNamespacesThatAreNotSelected(t *testing.T) {
	for name, selector := range map[string]string{"NotIn": "stage notin (test),team=shop", "DoesNotExist": "!stage,team=shop", "NotIn alone": "stage notin (test),team notin (bank)"} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			p := cluster{nodes: zones(), namespaces: shops(), pods: objects([]podBuilder{
				web("s").Namespace("shop").On("a1"), web("t").Namespace("shop-test").On("a2"), web("b").Namespace("bank").On("b1"),
			})}.profile(ctx, t)
			got := p.cycle(ctx, t, makePod("p").Anti(term(hostname, "app=web").InThose(selector)).Obj())
			if diff := cmp.Diff(map[string]string{"a1": tooNear}, got.Refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

// With PreFilter or PreScore switched off, each host is judged as with it.
func TestPointsSwitchedOff(t *testing.T) {
	off := schedulerconfig.PluginSet{Disabled: []schedulerconfig.Plugin{{Name: Name}}}
	for name, disabled := range map[string]schedulerconfig.Plugins{"PreFilter": {PreFilter: off}, "PreScore": {PreScore: off}, "both": {PreFilter: off, PreScore: off}} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			pod := web("p").Anti(term(hostname, "app=web")).PrefersNear(5, term(zone, "app=web")).Obj()
			c := cluster{nodes: zones(), pods: objects([]podBuilder{web("w").On("a1"), makePod("x").Anti(term(hostname, "app=web")).On("b1")})}
			want := c.profile(ctx, t).cycle(ctx, t, pod)
			if len(want.Refused) != 2 || len(nonzero(want.Scores)) != 1 {
				t.Fatalf("%+v shows nothing", want)
			}
			c.disabled = disabled
			if diff := cmp.Diff(want, c.profile(ctx, t).cycle(ctx, t, pod)); diff != "" {
				t.Errorf("(-on +off):\n%s", diff)
			}
		})
	}
}

// A pod that no term concerns costs no call per host.
func TestSkips(t *testing.T) {
	ctx := testContext(t)
	there := objects([]podBuilder{web("w").Near(term(zone, "app=web")).Anti(term(zone, "app=db")).On("a1"), makeTarget("vm", 2).On("a1")})
	tests := map[string]struct {
		pod              podBuilder
		ignore           bool
		filters, prefers bool
	}{
		"a pod":                                   {pod: makePod("p")},
		"a VM":                                    {pod: makeVM("other")},
		"its own affinity":                        {pod: makePod("p").Near(term(zone, "app=web")), filters: true},
		"its own anti-affinity":                   {pod: makePod("p").Anti(term(zone, "app=none")), filters: true},
		"others' anti-affinity":                   {pod: makePod("p").Label("app", "db"), filters: true},
		"others' required affinity":               {pod: web("p"), prefers: true},
		"others' required affinity, not asked":    {pod: web("p"), ignore: true},
		"preferences that match":                  {pod: makePod("p").PrefersAnti(1, term(zone, "app=web")), ignore: true, prefers: true},
		"preferences that nobody on a host meets": {pod: makePod("p").PrefersNear(1, term(zone, "app=none"))},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			args := defaultArgs(t)
			args.IgnorePreferredTermsOfExistingPods = tc.ignore
			p := cluster{nodes: zones(), pods: there, args: args}.profile(ctx, t)
			state := framework.NewCycleState()
			if _, status := p.plugin.PreFilter(ctx, state, tc.pod.Obj(), p.hosts); status.Code() != skipUnless(tc.filters) {
				t.Errorf("PreFilter: %v, want %v", status.Code(), skipUnless(tc.filters))
			}
			if status := p.plugin.PreScore(ctx, state, tc.pod.Obj(), p.hosts); status.Code() != skipUnless(tc.prefers) {
				t.Errorf("PreScore: %v, want %v", status.Code(), skipUnless(tc.prefers))
			}
		})
	}
}

func skipUnless(wanted bool) fwk.Code {
	if wanted {
		return fwk.Success
	}
	return fwk.Skip
}
