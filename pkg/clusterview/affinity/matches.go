// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

// Matches is an answer of Count. It is to be read only, and until the next change of the index.
type Matches struct {
	byKey []Counts
}

// At returns how many of the pods that match are on nodes with that value of a topology key of the terms.
func (m *Matches) At(topologyKey, value string) int64 {
	if c := m.of(topologyKey); c != nil {
		return c.At(value)
	}
	return 0
}

// Any is true when a pod matches that is on a node with one of the topology keys.
func (m *Matches) Any() bool {
	for i := range m.byKey {
		if m.byKey[i].Len() > 0 {
			return true
		}
	}
	return false
}

// Each calls f for each value of a topology key that has a count, in no order.
func (m *Matches) Each(topologyKey string, f func(value string, n int64)) {
	if c := m.of(topologyKey); c != nil {
		c.Each(f)
	}
}

func (m *Matches) of(topologyKey string) *Counts {
	for i := range m.byKey {
		if m.byKey[i].of.key == topologyKey {
			return &m.byKey[i]
		}
	}
	return nil
}

// count adds by at the topology values of a host.
func (m *Matches) count(h *host, by int64) {
	for i := range m.byKey {
		if at := h.at(m.byKey[i].of); at != nil {
			m.byKey[i].add(at, by)
		}
	}
}

// matches is the answer before anything is counted. The topologies of its keys are known then.
func (x *Index) matches(q question) *Matches {
	m := &Matches{byKey: make([]Counts, 0, len(q))}
	var known []*topology
	for i := range q {
		key := q[i].term.TopologyKey
		if m.of(key) != nil {
			continue
		}
		of := x.hosts.topology(key, known...)
		if len(q) > 1 {
			known = append(known, of)
		}
		m.byKey = append(m.byKey, Counts{of: of})
	}
	return m
}
