// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

func (m *machine) followAffinity(*rapid.T) { m.view.FollowAffinity() }

// counts is pods by topology key and value.
type counts map[string]map[string]int64

// all selects every pod.
func all(topologyKeys ...string) []fwk.AffinityTerm {
	var terms []fwk.AffinityTerm
	for _, key := range topologyKeys {
		terms = append(terms, fwk.AffinityTerm{TopologyKey: key, Selector: labels.Everything(), NamespaceSelector: labels.Everything()})
	}
	return terms
}

func (v *View) counts(keys []string) counts {
	got := counts{}
	matches := v.Affinity().Count(all(keys...))
	for _, key := range keys {
		got[key] = map[string]int64{}
		matches.Each(key, func(value string, n int64) {
			if n != 0 {
				got[key][value] += n
			}
		})
	}
	return got
}

// presenceDump is a launcher as Exceptions and Launchers tell of it.
type presenceDump struct {
	Pod, Node, Evacuating string
	Labels                map[string]string
	Presence              model.Presence
	Off                   bool
}

func dumpLauncher(l Launcher) presenceDump {
	return presenceDump{string(l.Pod.GetPod().UID), l.Node.Name, l.Evacuating, l.Node.Labels, l.Presence, l.Off}
}

var byPod = cmpopts.SortSlices(func(a, b presenceDump) bool { return a.Pod < b.Pod })

// checkAffinity compares the index and the exceptions with what a look at all pods gives.
func (m *machine) checkAffinity(t *rapid.T, list []fwk.NodeInfo) {
	if m.view.Affinity() == nil {
		if m.view.Launchers("v0") != nil {
			t.Fatal("launchers are told before anybody follows affinity")
		}
		return
	}
	keys := []string{corev1.LabelHostname, corev1.LabelTopologyZone, "rack"}
	want := counts{}
	for _, key := range keys {
		want[key] = map[string]int64{}
	}
	places, dumps := map[types.UID][]model.Place{}, map[types.UID][]presenceDump{}
	pods := 0
	for _, info := range list {
		node := info.Node()
		for _, pod := range info.GetPods() {
			if ended(pod.GetPod()) {
				continue
			}
			pods++
			for _, key := range keys {
				if value, ok := node.Labels[key]; ok {
					want[key][value]++
				}
			}
			if uid, ok := adapt.VMOf(pod.GetPod()); ok {
				dumps[uid] = append(dumps[uid], dumpLauncher(Launcher{Pod: pod, Node: node, Off: m.failures.proved[node.Name]}))
				places[uid] = append(places[uid], model.Place{Launcher: adapt.LauncherOf(pod.GetPod(), uid), Host: node.Name, Off: m.failures.proved[node.Name]})
			}
		}
	}
	if diff := cmp.Diff(want, m.view.counts(keys)); diff != "" || m.view.Affinity().Len() != pods {
		t.Fatalf("the index has %d pods, want %d; per topology value (-want +got):\n%s", m.view.Affinity().Len(), pods, diff)
	}
	exceptions := map[types.UID][]presenceDump{}
	for uid := range places {
		known, ok := m.vms.VM(uid)
		if !ok {
			known = &model.VM{}
		}
		for i, presence := range model.Presences(places[uid], known.Host) {
			dumps[uid][i].Presence, dumps[uid][i].Evacuating = presence, known.Evacuating
		}
		if len(dumps[uid]) > 1 || !dumps[uid][0].Presence.Affinity {
			exceptions[uid] = dumps[uid]
		}
	}
	for _, uid := range append([]types.UID{"none"}, vmUIDs...) {
		var got []presenceDump
		for _, l := range m.view.Launchers(uid) {
			got = append(got, dumpLauncher(l))
		}
		if diff := cmp.Diff(dumps[uid], got, byPod, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("launchers of %s (-want +got):\n%s", uid, diff)
		}
		want, rest := maps.Clone(exceptions), map[types.UID][]presenceDump{}
		delete(want, uid)
		m.view.Exceptions(uid, func(l Launcher) { rest[l.VM] = append(rest[l.VM], dumpLauncher(l)) })
		if diff := cmp.Diff(want, rest, byPod); diff != "" {
			t.Fatalf("exceptions but %s (-want +got):\n%s", uid, diff)
		}
		m.checkExceptionsFor(t, uid, want)
	}
}

func TestDifference(t *testing.T) {
	a, b, c, d := podInfo(makePod("a", "").Obj()), podInfo(makePod("b", "").Obj()), podInfo(makePod("c", "").Obj()), podInfo(makePod("d", "").Obj())
	type list = []fwk.PodInfo
	tests := map[string]struct{ before, after, gone, come list }{
		"nothing":              {list{a, b}, list{a, b}, nil, nil},
		"one comes":            {list{a}, list{a, b}, nil, list{b}},
		"the last goes":        {list{a, b}, list{a}, list{b}, nil},
		"the last takes over":  {list{a, b, c}, list{c, b}, list{a}, nil},
		"one for another":      {list{a, b}, list{a, c}, list{b}, list{c}},
		"all go":               {list{a, b}, nil, list{a, b}, nil},
		"another order":        {list{a, b, c}, list{c, a, b}, nil, nil},
		"one goes, one comes":  {list{a, b, c}, list{c, b, d}, list{a}, list{d}},
		"nothing is, and was":  {},
		"all others, as many":  {list{a, b}, list{c, d}, list{a, b}, list{c, d}},
		"twice the same order": {list{a, b, c, d}, list{d, b}, list{a, c}, nil},
	}
	same := cmp.Options{
		cmpopts.EquateEmpty(), cmp.Comparer(func(x, y fwk.PodInfo) bool { return x == y }),
		cmpopts.SortSlices(func(x, y fwk.PodInfo) bool { return x.GetPod().Name < y.GetPod().Name }),
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			gone, come := difference(tc.before, tc.after)
			if !cmp.Equal(tc.gone, gone, same) || !cmp.Equal(tc.come, come, same) {
				t.Errorf("gone %d, come %d; want %d and %d", len(gone), len(come), len(tc.gone), len(tc.come))
			}
		})
	}
}
