// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"pgregory.net/rapid"
)

// tally says how much was seen of what the random clusters are there to show.
type tally struct {
	clusters, cycles int
	// Cycles in which a host was refused for good, or for as long as some pods are there; others not; in which moves
	// changed a verdict; in which some host got points between the least and the most.
	resolvable, unresolvable, mixed, changed, graded int
}

func (c *tally) add(a answer) {
	c.cycles++
	if len(a.Refused) == 0 {
		return
	}
	seen := map[fwk.Code]bool{}
	for _, code := range a.Refused[0] {
		seen[code] = true
	}
	count := func(what *int, is bool) {
		if is {
			*what++
		}
	}
	count(&c.resolvable, seen[fwk.Unschedulable])
	count(&c.unresolvable, seen[fwk.UnschedulableAndUnresolvable])
	count(&c.mixed, len(seen) > 1 && seen[fwk.Success])
	changed, graded := false, false
	for _, codes := range a.Refused[1:] {
		for i := range codes {
			changed = changed || codes[i] != a.Refused[0][i]
		}
	}
	for _, points := range a.All.Points {
		graded = graded || points > 0 && points < fwk.MaxNodeScore
	}
	count(&c.changed, changed)
	count(&c.graded, graded)
}

// check fails when the random clusters have become such that the comparison shows little.
func (c *tally) check(t *testing.T) {
	t.Helper()
	t.Logf("%+v", *c)
	for what, n := range map[string]int{
		"refused as long as pods are there": c.resolvable, "refused for good": c.unresolvable, "refused here and not there": c.mixed,
		"changed by moves": c.changed, "with points in between": c.graded,
	} {
		if n*50 < c.cycles {
			t.Errorf("only %d of %d cycles %s: the test shows little", n, c.cycles, what)
		}
	}
}

// Whatever the cluster, and however it changes, our plugin says what upstream's says where no rule for VMs applies.
func TestAsUpstream(t *testing.T) {
	for name, population := range map[string]population{
		"pods": noVMs, "VMs that stay": settledVMs, "VMs that move, and other pods": movingVMs,
	} {
		t.Run(name, func(t *testing.T) {
			seen := &tally{}
			for range rounds {
				rapid.Check(t, func(t *rapid.T) { asUpstream(t, population, seen) })
			}
			seen.check(t)
		})
	}
}

func asUpstream(t *rapid.T, p population, seen *tally) {
	w := anyWorld(t, p)
	seen.clusters++
	for again := true; again; again = once(t, 2, "again") {
		hosts := w.refresh(t)
		pod := w.incoming(t)
		var moves [][]move
		if len(hosts) > 0 {
			moves = w.drawMoves(t, hosts)
		}
		seen.add(w.compare(t, pod, moves))
		for range 1 + below(t, 5, "changes") {
			w.change(t)
		}
	}
}

// The labels of a namespace change between two cycles. No pod and no node does, so that no host has another generation: whatever had
// been kept by the namespace's labels would be wrong now. Random clusters change like this, too, but seldom so that it shows.
func TestAsUpstreamWhenANamespaceIsRelabelled(t *testing.T) {
	const namespace, team = "ns0", "team"
	labelled := func(value string) *corev1.Namespace { return makeNamespace(namespace, map[string]string{team: value}) }
	pod := with("p", "app", "web").Namespace(namespace).Anti(term(hostname, "app=web").InThose(team + "=a")).Obj()
	w := scene{
		nodes: []*corev1.Node{makeNode("crowded").Obj(), makeNode("unwelcome").Obj()},
		pods: []podBuilder{
			with("web", "app", "web").Namespace(namespace).On("crowded"),
			makePod("shy").Anti(term(hostname, "app=web").InThose(team + "=b")).On("unwelcome"),
		},
		namespaces: []*corev1.Namespace{labelled("a")},
	}.twins(t)
	steps := []struct {
		team string
		want []string // hosts that are refused
	}{{"a", []string{"crowded"}}, {"b", []string{"unwelcome"}}, {"c", nil}, {"a", []string{"crowded"}}}
	for _, step := range steps {
		noError(t, w.namespaces.Update(labelled(step.team)))
		hosts, codes := w.refresh(t), w.compare(t, pod, nil).Refused[0]
		var refused []string
		for i := range hosts {
			if codes[i] != fwk.Success {
				refused = append(refused, hosts[i].Node().Name)
			}
		}
		if diff := gocmp.Diff(step.want, refused); diff != "" {
			t.Errorf("namespace of team %s: refused hosts (-want +got):\n%s", step.team, diff)
		}
	}
}
