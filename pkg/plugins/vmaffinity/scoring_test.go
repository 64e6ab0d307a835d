// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

func TestScore(t *testing.T) {
	tests := map[string]struct {
		pod    podBuilder
		pods   []podBuilder
		change func(*config.VMAffinityArgs)
		want   map[string]int64
	}{
		"nobody prefers anything": {pod: makePod("p"), pods: []podBuilder{web("w").On("a1")}},
		"preferred affinity": {
			pod: makePod("p").PrefersNear(5, term(zone, "app=web")), pods: []podBuilder{web("w").On("a1")}, want: map[string]int64{"a1": 100, "a2": 100},
		},
		"the more the better": {
			pod:  makePod("p").PrefersNear(5, term(zone, "app=web")),
			pods: []podBuilder{web("1").On("a1"), web("2").On("a2"), web("3").On("b1")},
			want: map[string]int64{"a1": 100, "a2": 100, "b1": 50, "b2": 50},
		},
		"two terms, by their weights": {
			pod:  makePod("p").PrefersNear(30, term(zone, "app=web")).PrefersNear(10, term(hostname, "app=db")),
			pods: []podBuilder{web("1").On("a1"), makePod("2").Label("app", "db").On("b1"), makePod("3").Label("app", "db").On("a2")},
			want: map[string]int64{"a1": 75, "a2": 100, "b1": 25},
		},
		"preferred anti-affinity": {
			pod: makePod("p").PrefersAnti(5, term(zone, "app=web")), pods: []podBuilder{web("w").On("a1")},
			want: map[string]int64{"b1": 100, "b2": 100, "none": 100},
		},
		"for and against": {
			pod:  makePod("p").PrefersNear(10, term(zone, "app=web")).PrefersAnti(5, term(hostname, "app=web")),
			pods: []podBuilder{web("w").On("a1")}, want: map[string]int64{"a1": 50, "a2": 100},
		},
		"what others prefer": {
			pod: web("p"), want: map[string]int64{"a1": 100, "a2": 100, "b2": 60, "none": 60},
			pods: []podBuilder{
				makePod("1").PrefersNear(4, term(zone, "app=web")).On("a1"), makePod("2").PrefersAnti(6, term(hostname, "app=web")).On("b1"),
				makePod("3").PrefersNear(9, term(zone, "app=db")).On("b1"),
			},
		},
		"what others require": {
			pod: web("p"), pods: []podBuilder{makePod("1").Near(term(zone, "app=web")).On("a1"), makePod("2").PrefersNear(2, term(zone, "app=web")).On("b1")},
			want: map[string]int64{"a1": 50, "a2": 50, "b1": 100, "b2": 100},
		},
		"what others require weighs more": {
			change: func(a *config.VMAffinityArgs) { a.HardPodAffinityWeight = 8 },
			pod:    web("p"), pods: []podBuilder{makePod("1").Near(term(zone, "app=web")).On("a1"), makePod("2").PrefersNear(2, term(zone, "app=web")).On("b1")},
			want: map[string]int64{"a1": 100, "a2": 100, "b1": 25, "b2": 25},
		},
		"what others require weighs nothing": {
			change: func(a *config.VMAffinityArgs) { a.HardPodAffinityWeight = 0 },
			pod:    web("p"), pods: []podBuilder{makePod("1").Near(term(zone, "app=web")).On("a1")},
		},
		"what others prefer is ignored": {
			change: func(a *config.VMAffinityArgs) { a.IgnorePreferredTermsOfExistingPods = true },
			pod:    web("p"), pods: []podBuilder{makePod("1").PrefersNear(4, term(zone, "app=web")).On("a1")},
		},
		"unless the pod prefers something, too": {
			change: func(a *config.VMAffinityArgs) { a.IgnorePreferredTermsOfExistingPods = true },
			pod:    web("p").PrefersNear(4, term(zone, "app=web")), want: map[string]int64{"a1": 50, "a2": 50, "b1": 100, "b2": 100},
			pods: []podBuilder{makePod("1").PrefersNear(4, term(zone, "app=web")).On("a1"), web("2").PrefersNear(4, term(zone, "app=web")).On("b1")},
		},
		"namespaces": {
			pod:  web("p").Namespace("shop").PrefersNear(4, term(hostname, "app=web").InThose("team=bank")),
			want: map[string]int64{"b1": 100, "b2": 50},
			pods: []podBuilder{
				web("1").On("a1"), web("2").Namespace("shop").On("a2"), web("3").Namespace("bank").On("b1"),
				makePod("4").PrefersNear(2, term(hostname, "app=web").InThose("team=shop")).On("b2"), makePod("5").PrefersNear(2, term(hostname, "app=web")).On("none"),
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			c := cluster{nodes: zones(), pods: objects(tc.pods), namespaces: shops(), args: defaultArgs(t)}
			if tc.change != nil {
				tc.change(c.args)
			}
			got := c.profile(ctx, t).cycle(ctx, t, tc.pod.Obj())
			if diff := cmp.Diff(tc.want, nonzero(got.Scores)); diff != "" {
				t.Errorf("scores (-want +got):\n%s", diff)
			}
			c.checkUpstream(ctx, t, tc.pod.Obj(), got)
		})
	}
}
