// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// hostsOf makes hosts a, b, c ... of one label each, or of several such as "region=1,rack=2".
func hostsOf(labels ...string) []*corev1.Node {
	var nodes []*corev1.Node
	for i, list := range labels {
		b := makeNode(string(rune('a' + i)))
		for label := range strings.SplitSeq(list, ",") {
			key, value, _ := strings.Cut(label, "=")
			if key == "region" {
				key = region
			}
			b = b.Label(key, value)
		}
		nodes = append(nodes, b.Obj())
	}
	return nodes
}

// placed makes a pod on each of some hosts: "aab" is two on a, and one on b.
func placed(hosts string, pod podBuilder) []podBuilder {
	var pods []podBuilder
	for i, host := range hosts {
		b := podBuilder{pod.pod.DeepCopy()}.On(string(host))
		b.pod.Name = fmt.Sprintf("%s-%s-%d", b.pod.Name, hosts, i)
		pods = append(pods, b.UID(types.UID(fmt.Sprintf("%s/%s/%v", b.pod.Namespace, b.pod.Name, b.pod.Labels))))
	}
	return pods
}

// scoreCase is one of preferences; want is nil where Score is skipped.
type scoreCase struct {
	nodes  []*corev1.Node
	pod    podBuilder
	pods   []podBuilder
	ignore bool
	weight int32
	want   map[string]int64
	// fails when PreScore does.
	fails bool
}

func (tc *scoreCase) run(t *testing.T) {
	t.Helper()
	w := scene{nodes: tc.nodes, pods: tc.pods, namespaces: teams(), change: func(a *config.VMAffinityArgs) {
		a.HardPodAffinityWeight, a.IgnorePreferredTermsOfExistingPods = tc.weight, tc.ignore
	}}.twins(t)
	w.each(t, func(t *testing.T, s seat) {
		t.Helper()
		points, status := w.points(t, s, tc.pod)
		want := fwk.Success
		switch {
		case tc.fails:
			want = fwk.Error
		case tc.want == nil:
			want = fwk.Skip
		}
		if status.Code() != want || tc.fails && !strings.Contains(status.Message(), "-not-a-value-") {
			t.Fatalf("PreScore: %v, want %v", status, want)
		}
		if diff := cmp.Diff(tc.want, points); diff != "" {
			t.Errorf("points (-want +got):\n%s", diff)
		}
	})
}

// Upstream has 26 cases of preferences.
func TestUpstreamScore(t *testing.T) {
	gold, iron, plain := with("p", "metal", "gold"), with("p", "metal", "iron"), makePod("p")
	of := func(b podBuilder, f ...func(podBuilder) podBuilder) podBuilder {
		b = podBuilder{b.pod.DeepCopy()}
		for _, change := range f {
			b = change(b)
		}
		return b
	}
	nearGold := func(b podBuilder) podBuilder { return b.PrefersNear(5, term(region, "metal in (gold)")) }
	nearIron := func(b podBuilder) podBuilder { return b.PrefersNear(6, term(region, "metal in (iron)")) }
	offGold := func(b podBuilder) podBuilder { return b.PrefersAnti(5, term(rack, "metal in (gold)")) }
	offIron := func(b podBuilder) podBuilder { return b.PrefersAnti(5, term(rack, "metal in (iron)")) }
	both := func(b podBuilder) podBuilder { return offIron(b.PrefersNear(8, term(region, "metal in (gold)"))) }
	operators := func(b podBuilder) podBuilder {
		return b.PrefersNear(8, term(region, "metal notin (gold),metal in (iron)")).PrefersNear(2, term(region, "metal,!none"))
	}
	needs := func(b podBuilder) podBuilder {
		return b.Near(term(region, "metal in (gold,tin)")).Near(term(region, "metal,!none"))
	}
	selected := term(region, "metal in (gold)").In("blue-2").InThose("team in (red)")
	nearSelected := func(b podBuilder) podBuilder { return b.PrefersNear(5, selected) }
	offSelected := func(b podBuilder) podBuilder { return b.PrefersAnti(5, selected) }
	in := func(namespace string) func(podBuilder) podBuilder {
		return func(b podBuilder) podBuilder { return b.Namespace(namespace) }
	}
	three, two := hostsOf("region=1", "region=2", "rack=1"), hostsOf("region=1", "region=2")
	five := hostsOf("region=1", "region=2", "region=1", "region=1", "region=2")
	golds := func(hosts string, namespace string) []podBuilder { return placed(hosts, of(gold, in(namespace))) }
	tests := map[string]scoreCase{
		"nobody prefers anything": {nodes: three, pod: gold},
		"affinity: the topology key and the labels have to be there": {
			nodes: three, pod: of(gold, nearGold), pods: slices.Concat(placed("ac", gold), placed("b", iron)), want: map[string]int64{"a": 100, "b": 0, "c": 0},
		},
		"affinity: hosts with the same topology value get the same": {
			nodes: hostsOf("region=1", "region=1,rack=1", "region=2"), pod: of(plain, nearGold), pods: placed("a", gold), want: map[string]int64{"a": 100, "b": 100, "c": 0},
		},
		"affinity: the more, the better": {
			nodes: five, pod: of(gold, nearIron), pods: placed("aabcde", iron), want: map[string]int64{"a": 100, "b": 0, "c": 100, "d": 100, "e": 0},
		},
		"affinity: all operators, in two terms": {
			nodes: three, pod: of(gold, operators),
			pods: slices.Concat(placed("ac", gold), placed("b", iron)), want: map[string]int64{"a": 20, "b": 100, "c": 0},
		},
		"affinity of others": {
			nodes: three, pod: iron, pods: slices.Concat(placed("a", of(gold, nearGold)), placed("b", of(iron, nearIron))), want: map[string]int64{"a": 0, "b": 100, "c": 0},
		},
		"affinity of others, to namespaces that are selected": {
			nodes: three, pod: of(gold, in("red-1")), pods: slices.Concat(placed("a", of(gold, nearSelected)), placed("b", of(iron, nearIron))),
			want: map[string]int64{"a": 100, "b": 0, "c": 0},
		},
		"anti-affinity of others, to namespaces that are selected": {
			nodes: three, pod: of(gold, in("red-1")), pods: slices.Concat(placed("a", of(gold, offSelected)), placed("b", of(iron, nearIron))),
			want: map[string]int64{"a": 0, "b": 100, "c": 100},
		},
		"required affinity of others": {
			nodes: three, pod: gold, pods: slices.Concat(placed("a", of(gold, needs)), placed("b", of(iron, needs))), want: map[string]int64{"a": 100, "b": 100, "c": 0},
		},
		"anti-affinity: one that matches is worse than one that does not": {
			nodes: hostsOf("rack=1", "region=1"), pod: of(gold, offGold), pods: slices.Concat(placed("a", gold), placed("b", iron)), want: map[string]int64{"a": 0, "b": 100},
		},
		"anti-affinity: without the topology key nothing counts": {
			nodes: hostsOf("rack=1", "region=1"), pod: of(gold, offGold), pods: placed("ab", gold), want: map[string]int64{"a": 0, "b": 100},
		},
		"anti-affinity: the more, the worse": {
			nodes: hostsOf("rack=1", "region=2"), pod: of(gold, offGold), pods: slices.Concat(placed("aa", gold), placed("b", iron)), want: map[string]int64{"a": 0, "b": 100},
		},
		"anti-affinity of others": {
			nodes: hostsOf("rack=1", "rack=2"), pod: iron, pods: slices.Concat(placed("a", of(gold, offIron)), placed("b", of(iron, offGold))), want: map[string]int64{"a": 0, "b": 100},
		},
		"affinity and anti-affinity": {
			nodes: hostsOf("region=1", "rack=1"), pod: of(gold, both), pods: placed("ab", gold), want: map[string]int64{"a": 100, "b": 0},
		},
		"affinity and anti-affinity, with many of its own kind": {
			nodes: hostsOf("region=1,rack=1", "region=2", "region=1", "region=1", "region=2"), pod: of(gold, both), pods: placed("aabccde", gold),
			want: map[string]int64{"a": 100, "b": 0, "c": 100, "d": 100, "e": 0},
		},
		"affinity and anti-affinity, the pod's and others'": {
			nodes: hostsOf("region=1", "rack=1", "region=2", "rack=2"), pod: of(gold, both),
			pods: slices.Concat(placed("a", gold), placed("b", iron), placed("c", of(plain, both)), placed("d", of(plain, offGold))),
			want: map[string]int64{"a": 100, "b": 0, "c": 100, "d": 0},
		},
		"some hosts of a topology value have pods with affinity": {
			nodes: hostsOf("region=1", "region=1"), pod: gold, pods: slices.Concat(placed("a", gold), placed("b", of(plain, both))), want: map[string]int64{"a": 0, "b": 0},
		},
		"affinity that cannot be read":      {nodes: two, pod: makePod("p").PrefersNear(8, unreadable(region)), fails: true},
		"anti-affinity that cannot be read": {nodes: two, pod: makePod("p").PrefersAnti(5, unreadable(rack)), fails: true},
		"affinity to namespaces that are selected": {
			nodes: two, pod: of(gold, in("red-1"), nearSelected), pods: slices.Concat(golds("aa", "red-1"), golds("a", "blue-1"), golds("b", "red-2")),
			want: map[string]int64{"a": 100, "b": 0},
		},
		"affinity to namespaces that are selected, and to one that is named": {
			nodes: two, pod: of(gold, in("red-1"), nearSelected), pods: slices.Concat(golds("a", "red-1"), golds("a", "blue-2"), golds("b", "red-2")),
			want: map[string]int64{"a": 100, "b": 0},
		},
		"anti-affinity to namespaces that are selected": {
			nodes: two, pod: of(gold, in("red-1"), offSelected), pods: slices.Concat(golds("aa", "red-1"), golds("a", "blue-1"), golds("b", "red-2")),
			want: map[string]int64{"a": 0, "b": 100},
		},
		"anti-affinity to namespaces that are selected, and to one that is named": {
			nodes: two, pod: of(gold, in("red-1"), offSelected), pods: slices.Concat(golds("a", "red-1"), golds("a", "blue-2"), golds("b", "red-2")),
			want: map[string]int64{"a": 0, "b": 100},
		},
		"what others prefer is ignored": {
			nodes: two, pod: iron, pods: slices.Concat(placed("a", of(gold, both)), placed("b", of(iron, nearIron))), ignore: true,
		},
		"what others prefer is not ignored": {
			nodes: two, pod: iron, pods: slices.Concat(placed("a", of(gold, both)), placed("b", of(iron, nearIron))), want: map[string]int64{"a": 0, "b": 100},
		},
		"no hosts": {pod: iron},
	}
	for name, tc := range tests {
		tc.weight = 1
		t.Run(name, tc.run)
	}
}

// Upstream has 5 cases of the weight that others' required affinity has in the score.
func TestUpstreamScoreHardWeight(t *testing.T) {
	selected := term(region, "metal in (gold)").In("default", "blue-2").InThose("team in (red)")
	equal := map[string]int64{"a": 100, "b": 100, "c": 0}
	for name, tc := range map[string]struct {
		namespace string
		weight    int32
		want      map[string]int64
	}{
		"it weighs":                        {"default", 1, equal},
		"it weighs nothing":                {"default", 0, nil},
		"in a namespace that is not meant": {"blue-1", 1, nil},
		"in a namespace that is selected":  {"red-1", 1, equal},
		"in a namespace that is named":     {"blue-2", 1, equal},
	} {
		c := scoreCase{
			nodes: hostsOf("region=1", "region=2", "rack=1"), pod: with("p", "metal", "gold").Namespace(tc.namespace),
			pods: placed("ab", makePod("o").Near(selected)), weight: tc.weight, want: tc.want,
		}
		t.Run(name, c.run)
	}
}
