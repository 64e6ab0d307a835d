// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"slices"

	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

// vm answers the questions for all launchers of one VM by the rules for VMs: each launcher counts where it is present, and
// the VM once per topology value and term, of the pod's or its own. followed is true for a VM of the same evacuation.
func (q *questions) vm(launchers []clusterview.Launcher, followed bool, by int64, add adder) {
	if len(launchers) == 1 {
		l := &launchers[0]
		if present(l, true, followed) && present(l, false, followed) {
			q.each(l.Pod, l.Node, by, add)
			return
		}
	}
	for i := range q.own {
		q.own[i].vm(launchers, followed, by, add)
	}
	var seen []seenTerm
	for i := range launchers {
		l := &launchers[i]
		q.eachOfTheirs(l.Pod, func(asked *theirs, term *fwk.AffinityTerm, weight int64) {
			value, ok := l.Node.Labels[term.TopologyKey]
			if !ok || !present(l, asked.near, followed) {
				return
			}
			this := seenTerm{asked, term, weight, value, i}
			if slices.ContainsFunc(seen, this.again) {
				return
			}
			seen = append(seen, this)
			add(asked.sum, term.TopologyKey, value, by*weight)
		})
	}
}

// present is true for a launcher whose VM counts there for affinity, or for anti-affinity.
func present(l *clusterview.Launcher, near, followed bool) bool {
	if near {
		return l.Presence.Affinity || followed && l.Presence.Ahead
	}
	return l.Presence.Anti
}

func (q *question) vm(launchers []clusterview.Launcher, followed bool, by int64, add adder) {
	type place struct{ key, value string }
	var seen []place
	for i := range launchers {
		l := &launchers[i]
		if !present(l, q.near, followed) || !matchesAll(q.terms, l.Pod.GetPod()) {
			continue
		}
		for _, key := range q.keys {
			value, ok := l.Node.Labels[key]
			if !ok || slices.Contains(seen, place{key, value}) {
				continue
			}
			seen = append(seen, place{key, value})
			add(q.sum, key, value, by*q.weight)
		}
	}
}

// seenTerm is a term of a launcher that has been counted at a topology value.
type seenTerm struct {
	asked    *theirs
	term     *fwk.AffinityTerm
	weight   int64
	value    string
	launcher int
}

// again is true when another launcher of the VM has the same term at the same value. A pod that has one twice means it.
func (s seenTerm) again(before seenTerm) bool {
	return s.asked == before.asked && s.launcher != before.launcher && s.weight == before.weight && s.value == before.value &&
		sameTerm(s.term, before.term)
}

func sameTerm(a, b *fwk.AffinityTerm) bool {
	return a.TopologyKey == b.TopologyKey && a.Namespaces.Equal(b.Namespaces) &&
		a.Selector.String() == b.Selector.String() && a.NamespaceSelector.String() == b.NamespaceSelector.String()
}
