// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	fwk "k8s.io/kube-scheduler/framework"
)

// Matches is an answer of Count. It is to be read only, and until the next change of the index.
type Matches struct {
	byKey []keyed
}

type keyed struct {
	key    string
	counts Counts
}

// At returns how many of the pods that match are on nodes with that value of a topology key of the terms.
func (m *Matches) At(topologyKey, value string) int64 {
	for i := range m.byKey {
		if m.byKey[i].key == topologyKey {
			return m.byKey[i].counts.At(value)
		}
	}
	return 0
}

// Any is true when a pod matches that is on a node with one of the topology keys.
func (m *Matches) Any() bool {
	for i := range m.byKey {
		if m.byKey[i].counts.Len() > 0 {
			return true
		}
	}
	return false
}

// Each calls f for each value of a topology key that has a count, in no order.
func (m *Matches) Each(topologyKey string, f func(value string, n int64)) {
	for i := range m.byKey {
		if m.byKey[i].key == topologyKey {
			m.byKey[i].counts.Each(f)
		}
	}
}

func newMatches(terms []fwk.AffinityTerm) Matches {
	m := Matches{byKey: make([]keyed, 0, len(terms))}
	for i := range terms {
		if key := terms[i].TopologyKey; !m.has(key) {
			m.byKey = append(m.byKey, keyed{key: key})
		}
	}
	return m
}

func (m *Matches) has(topologyKey string) bool {
	for i := range m.byKey {
		if m.byKey[i].key == topologyKey {
			return true
		}
	}
	return false
}

// count adds by for a pod that matches all terms: once per topology key.
func (m *Matches) count(terms []fwk.AffinityTerm, r *record, by int64) {
	pod := r.pod.GetPod()
	for i := range terms {
		if !terms[i].Matches(pod, nil) {
			return
		}
	}
	for i := range m.byKey {
		if value, ok := r.host.labels[m.byKey[i].key]; ok {
			m.byKey[i].counts.add(value, by)
		}
	}
}
