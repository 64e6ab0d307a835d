// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// oneHost is the cluster of the table below: it is in a region and a zone, and in no rack.
func oneHost() []*corev1.Node {
	return []*corev1.Node{makeNode("h").Label(region, "r1").Zone("z1").Obj()}
}

// Upstream has 26 cases of required terms on one host.
func TestUpstreamFilterOneHost(t *testing.T) {
	web := func() podBuilder { return with("w", "app", "web").On("h") }
	db := func() podBuilder { return with("p", "role", "db") }
	anti := func(key, selector string) podBuilder { return web().Anti(term(key, selector)) }
	bothExist := func(b podBuilder, key, one, other string) podBuilder {
		return b.Anti(term(key, one)).Anti(term(key, other))
	}
	const some, none = "app in (web,cache)", "app in (mail,cache)"
	in := func(b podBuilder, namespace string) podBuilder { return b.Namespace(namespace) }
	tests := map[string]struct {
		pod   podBuilder
		pods  []podBuilder
		want  string
		skips bool
	}{
		"no terms, no pods": {pod: makePod("p"), skips: true},
		"In finds one":      {pod: db().Near(term(region, some)), pods: []podBuilder{web()}},
		"NotIn finds one":   {pod: db().Near(term(region, "app notin (mail,cache)")), pods: []podBuilder{web()}},
		"one in another namespace than the term names": {pod: db().Near(term("", some).In("elsewhere")), pods: []podBuilder{in(web(), "ns")}, want: lonely},
		"none that the selector matches, over no key":  {pod: with("p", "app", "web").Near(term("", none)), pods: []podBuilder{web()}, want: lonely},
		"all operators in two terms": {
			pod:  db().Near(term(region, "app,!role")).Near(term(region, "app in (web),app notin (mail)")),
			pods: []podBuilder{web()},
		},
		"one requirement of the second of two terms fails": {
			pod:  db().Near(term(region, "app,!role")).Near(term(region, "app in (cache),app notin (mail)")),
			pods: []podBuilder{web()}, want: lonely,
		},
		"affinity holds, and so does anti-affinity": {
			pod: db().Near(term(region, some)).Anti(term(rack, none)), pods: []podBuilder{web()},
		},
		"affinity and anti-affinity hold, and the other's anti-affinity": {
			pod: db().Near(term(region, some)).Anti(term(rack, none)), pods: []podBuilder{anti(rack, none)},
		},
		"affinity holds, anti-affinity does not": {
			pod: db().Near(term(region, some)).Anti(term(zone, some)), pods: []podBuilder{web()}, want: crowded,
		},
		"its own terms hold, the other's anti-affinity does not": {
			pod: with("p", "app", "web").Near(term(region, some)).Anti(term(rack, none)), pods: []podBuilder{anti(zone, some)}, want: unwelcome,
		},
		"it does not match its own NotIn, nor does one on a host that is not there": {
			pod: with("p", "app", "web").Near(term(region, "app notin (web,cache)")), pods: []podBuilder{web().On("gone")}, want: lonely,
		},
		"the other's anti-affinity, and none of its own":        {pod: with("p", "app", "web"), pods: []podBuilder{anti(zone, some)}, want: unwelcome},
		"the other's anti-affinity does not mean it":            {pod: with("p", "app", "web"), pods: []podBuilder{anti(zone, "app notin (web,cache)")}, skips: true},
		"the other matches its anti-affinity and the other way": {pod: bothExist(with("p", "app", "web"), region, "app", "role"), pods: []podBuilder{db().Anti(term(zone, "role")).On("h")}, want: crowded},
		"it meets one of its two terms, the other owns the one": {pod: bothExist(with("p", "app", "web"), zone, "app", "role"), pods: []podBuilder{db().Anti(term(zone, "role")).On("h")}, want: crowded},
		"the other way round":                                   {pod: db().Anti(term(zone, "role")), pods: []podBuilder{bothExist(web(), zone, "app", "role")}, want: unwelcome},
		"both own the same two terms, each matches one":         {pod: bothExist(with("p", "a", "").Label("c", ""), zone, "a", "b"), pods: []podBuilder{bothExist(with("o", "b", "").Label("c", ""), zone, "a", "b").On("h")}, want: crowded},
		"both own the same two terms, each matches the other":   {pod: bothExist(with("p", "b", "").Label("c", ""), zone, "a", "b"), pods: []podBuilder{bothExist(with("o", "a", "").Label("c", ""), zone, "a", "b").On("h")}, want: crowded},
		"a first term that cannot be read":                      {pod: with("p", "app", "web").Near(unreadable(region)).Near(term(rack, none)), want: everywhere},
		"a second term that cannot be read":                     {pod: with("p", "app", "web").Near(term(region, "app=mail")).Near(unreadable(rack)), want: everywhere},
		"affinity to namespaces that are selected":              {pod: db().Near(term(region, some).InThose("team in (red)")), pods: []podBuilder{in(web(), "red-1")}},
		"affinity to namespaces that are not selected":          {pod: db().Near(term(region, some).InThose("team in (red)")), pods: []podBuilder{in(web(), "blue-1")}, want: lonely},
		"anti-affinity to namespaces that are selected":         {pod: in(db(), "red-1").Anti(term(zone, some).InThose("team in (red)")), pods: []podBuilder{in(web(), "red-2")}, want: crowded},
		"anti-affinity to all namespaces":                       {pod: in(db(), "red-1").Anti(term(zone, some).InThose("")), pods: []podBuilder{in(web(), "red-2")}, want: crowded},
		"anti-affinity to namespaces that are not selected":     {pod: in(db(), "red-1").Anti(term(zone, some).InThose("team in (red)")), pods: []podBuilder{in(web(), "blue-1")}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := scene{nodes: oneHost(), pods: tc.pods, namespaces: teams()}.twins(t)
			w.each(t, func(t *testing.T, s seat) {
				t.Helper()
				if refused, skips := w.refused(t, s, tc.pod); refused["h"] != tc.want || skips != tc.skips {
					t.Errorf("refused %q, skips %t; want %q, %t", refused["h"], skips, tc.want, tc.skips)
				}
			})
		})
	}
}

// Upstream has 18 cases of required terms on several hosts.
func TestUpstreamFilterManyHosts(t *testing.T) {
	hosts := func(hosts ...nodeBuilder) []*corev1.Node {
		var nodes []*corev1.Node
		for _, host := range hosts {
			nodes = append(nodes, host.Obj())
		}
		return nodes
	}
	// Two hosts of region r1, the second with a rack, and one of r2.
	regions := hosts(makeNode("a").Label(region, "r1"), makeNode("b").Label(region, "r1").Label(rack, "k"), makeNode("c").Label(region, "r2"))
	// Two and three hosts of one region, each in a zone of its own; and two of one zone.
	zones3 := hosts(makeNode("a").Label(region, "r").Zone("1"), makeNode("b").Label(region, "r").Zone("2"), makeNode("c").Label(region, "r").Zone("3"))
	zones2, oneZone := zones3[:2], hosts(makeNode("a").Label(region, "r").Zone("1"), makeNode("b").Label(region, "r").Zone("1"))
	two := func(name string) podBuilder { return with(name, "x", "").Label("y", "") }
	group := with("p", "app", "web").Label("tier", "1").Near(term(zone, "app=web")).Near(term(zone, "tier=1"))
	tests := map[string]struct {
		nodes []*corev1.Node
		pod   podBuilder
		pods  []podBuilder
		want  map[string]string
		skips bool
	}{
		"affinity holds wherever the topology value is the same": {
			nodes: regions, pod: makePod("p").Near(term(region, "app=web")), pods: []podBuilder{with("w", "app", "web").On("a")}, want: map[string]string{"c": lonely},
		},
		"the first of a group goes to any host, though one matches half of the terms": {
			nodes: zones2, pod: group, pods: []podBuilder{with("w", "app", "web").On("a")},
		},
		"the first of a group goes to no host without the topology key": {
			nodes: hosts(makeNode("a").Label("area", "1"), makeNode("b").Label("area", "2")), pod: group, pods: []podBuilder{with("w", "app", "web").On("a")},
			want: map[string]string{"a": lonely, "b": lonely},
		},
		"anti-affinity holds nowhere in the topology value": {
			nodes: oneZone, pod: makePod("p").Anti(term(region, "app=web")), pods: []podBuilder{with("w", "app", "web").On("a")},
			want: map[string]string{"a": crowded, "b": crowded},
		},
		"any term of anti-affinity is enough": {
			nodes: zones2, pod: makePod("p").Anti(term(region, "app=web")).Anti(term(zone, "tier=1")),
			pods: []podBuilder{with("w", "app", "web").Label("tier", "1").On("a")}, want: map[string]string{"a": crowded, "b": crowded},
		},
		"anti-affinity holds in another topology value": {
			nodes: regions, pod: makePod("p").Anti(term(region, "app=web")), pods: []podBuilder{with("w", "app", "web").On("a")},
			want: map[string]string{"a": crowded, "b": crowded},
		},
		"anti-affinity of one in another namespace does not count": {
			nodes: regions, pod: with("p", "app", "db").Namespace("red-1").Anti(term(region, "app=web")),
			pods: []podBuilder{with("w", "app", "web").Namespace("red-1").On("a"), makePod("o").Namespace("nowhere").Anti(term(region, "app=db")).On("c")},
			want: map[string]string{"a": crowded, "b": crowded},
		},
		"others' anti-affinity over a key that no host has": {
			nodes: oneZone, pod: with("p", "x", ""), pods: []podBuilder{makePod("o").Anti(term("no-host-has-it", "x")).On("a")}, skips: true,
		},
		"its own anti-affinity over a key that no host has": {
			nodes: oneZone, pod: makePod("p").Anti(term("no-host-has-it", "x")), pods: []podBuilder{with("o", "x", "").On("a")},
		},
		"two others' anti-affinity, one for the zone and one for the region": {
			nodes: zones2, pod: two("p"), pods: []podBuilder{makePod("1").Anti(term(zone, "x")).On("a"), makePod("2").Anti(term(region, "y")).On("a")},
			want: map[string]string{"a": unwelcome, "b": unwelcome},
		},
		"its own anti-affinity to two others, for the zone and for the region": {
			nodes: zones2, pod: makePod("p").Anti(term(zone, "x")).Anti(term(region, "y")), pods: []podBuilder{with("1", "x", "").On("a"), with("2", "y", "").On("b")},
			want: map[string]string{"a": crowded, "b": crowded},
		},
		"another's anti-affinity in two terms, one over a key that no host has": {
			nodes: zones2, pod: two("p"), pods: []podBuilder{makePod("o").Anti(term("no-host-has-it", "x")).Anti(term(zone, "y")).On("a")},
			want: map[string]string{"a": unwelcome},
		},
		"its own anti-affinity in two terms, one over a key that no host has": {
			nodes: zones2, pod: makePod("p").Anti(term("no-host-has-it", "x")).Anti(term(zone, "y")), pods: []podBuilder{two("o").On("a")},
			want: map[string]string{"a": crowded},
		},
		"another's anti-affinity in two terms": {
			nodes: zones2, pod: two("p"), pods: []podBuilder{makePod("o").Anti(term(region, "x")).Anti(term(zone, "y")).On("a")},
			want: map[string]string{"a": unwelcome, "b": unwelcome},
		},
		"its own anti-affinity in two terms": {
			nodes: zones2, pod: makePod("p").Anti(term(region, "x")).Anti(term(zone, "y")), pods: []podBuilder{two("o").On("a")},
			want: map[string]string{"a": crowded, "b": crowded},
		},
		"two others' anti-affinity, of which one term each matches": {
			nodes: zones3, pod: two("p"),
			pods: []podBuilder{makePod("1").Anti(term(zone, "x")).Anti(term(zone, "u")).On("a"), makePod("2").Anti(term(zone, "y")).Anti(term(zone, "v")).On("b")},
			want: map[string]string{"a": unwelcome, "b": unwelcome},
		},
		"affinity in two terms over two keys, which one pod meets": {
			nodes: oneZone, pod: makePod("p").Near(term(region, "x")).Near(term(zone, "y")), pods: []podBuilder{two("o").On("a")},
		},
		"affinity in two terms, which only two pods meet together": {
			nodes: zones2, pod: makePod("p").Near(term(region, "x")).Near(term(zone, "y")), pods: []podBuilder{with("1", "x", "").On("a"), with("2", "y", "").On("b")},
			want: map[string]string{"a": lonely, "b": lonely},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.want == nil {
				tc.want = map[string]string{}
			}
			w := scene{nodes: tc.nodes, pods: tc.pods, namespaces: teams()}.twins(t)
			w.each(t, func(t *testing.T, s seat) {
				t.Helper()
				refused, skips := w.refused(t, s, tc.pod)
				if diff := cmp.Diff(tc.want, refused); diff != "" || skips != tc.skips {
					t.Errorf("skips %t, want %t; refused (-want +got):\n%s", skips, tc.skips, diff)
				}
			})
		})
	}
}

// Upstream has 8 cases of what is counted for a pod's own terms. They are told apart here by what is refused for the affinity
// alone, for the anti-affinity alone, and for both.
func TestUpstreamOwnTerms(t *testing.T) {
	near := func(b podBuilder, labels ...string) podBuilder {
		for _, l := range labels {
			b = b.Near(term(hostname, l))
		}
		return b
	}
	anti := func(b podBuilder, labels ...string) podBuilder {
		for _, l := range labels {
			b = b.Anti(term(hostname, l))
		}
		return b
	}
	x, y, xy := with("x", "x", "").On("h"), with("y", "y", "").On("h"), with("xy", "x", "").Label("y", "").On("h")
	tests := map[string]struct {
		pods                       []podBuilder
		near, anti                 []string
		wantNear, wantAnti, wanted string
	}{
		"nobody there, no terms":           {},
		"somebody there, no terms":         {pods: []podBuilder{x}},
		"one that matches neither":         {pods: []podBuilder{y}, near: []string{"x"}, anti: []string{"x"}, wantNear: lonely, wanted: lonely},
		"one that matches both":            {pods: []podBuilder{x}, near: []string{"x"}, anti: []string{"x"}, wantAnti: crowded, wanted: crowded},
		"one that matches two of affinity": {pods: []podBuilder{xy}, near: []string{"x", "y"}, anti: []string{"x"}, wantAnti: crowded, wanted: crowded},
		"one that matches half of both":    {pods: []podBuilder{x}, near: []string{"x", "y"}, anti: []string{"x", "y"}, wantNear: lonely, wantAnti: crowded, wanted: lonely},
		"one that has more than is asked":  {pods: []podBuilder{xy}, near: []string{"x", "z"}, anti: []string{"x", "z"}, wantNear: lonely, wantAnti: crowded, wanted: lonely},
		"one that matches the other half":  {pods: []podBuilder{y}, near: []string{"x", "y"}, anti: []string{"x", "y"}, wantNear: lonely, wantAnti: crowded, wanted: lonely},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := scene{nodes: oneHost(), pods: tc.pods}.twins(t)
			w.each(t, func(t *testing.T, s seat) {
				t.Helper()
				for _, each := range []struct {
					pod  podBuilder
					want string
				}{
					{near(makePod("p"), tc.near...), tc.wantNear},
					{anti(makePod("p"), tc.anti...), tc.wantAnti},
					{anti(near(makePod("p"), tc.near...), tc.anti...), tc.wanted},
				} {
					if refused, skips := w.refused(t, s, each.pod); refused["h"] != each.want || skips != (len(tc.near) == 0) {
						t.Errorf("%s: refused %q, skips %t; want %q", describe(each.pod.Obj()), refused["h"], skips, each.want)
					}
				}
			})
		})
	}
}

// Upstream has one case of Filter without PreFilter, which is an error. Ours judges as with PreFilter.
func TestUpstreamFilterAlone(t *testing.T) {
	w := scene{nodes: oneHost(), pods: []podBuilder{with("w", "app", "web").On("h")}}.twins(t)
	host := w.refresh(t)[0]
	for name, pod := range map[string]podBuilder{"": makePod("p"), crowded: makePod("p").Anti(term(zone, "app=web"))} {
		if status := w.upstream.Filter(w.ctx, framework.NewCycleState(), pod.Obj(), host); status.Code() != fwk.Error {
			t.Errorf("upstream: %v, want an error", status)
		}
		status := w.ours.Filter(w.ctx, framework.NewCycleState(), pod.Obj(), host)
		if got := !status.IsSuccess(); got != (name != "") || got && whyOf(t, status) != name {
			t.Errorf("ours: %v, want %q", status, name)
		}
	}
}
