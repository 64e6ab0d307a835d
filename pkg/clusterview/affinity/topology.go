// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"maps"
	"slices"
)

// topology is a topology key, with the values that hosts have of it.
type topology struct {
	key    string
	place  int
	values map[string]*value
	// uses is by how many terms and kept counts it is needed.
	uses int
}

// value of a topology key. There is one of each as long as a host has it: counts are by its address.
type value struct {
	name  string
	hosts int
}

func (t *topology) hold(labels map[string]string) *value {
	name, ok := labels[t.key]
	if !ok {
		return nil
	}
	v := t.values[name]
	if v == nil {
		v = &value{name: name}
		t.values[name] = v
	}
	v.hosts++
	return v
}

func (t *topology) release(v *value) {
	if v == nil {
		return
	}
	v.hosts--
	if v.hosts == 0 {
		delete(t.values, v.name)
	}
}

// topology returns that of a key. A new one costs a look at the labels of all hosts. But for those in use, one that
// was returned earlier is good only until the next is asked for; except are not to make room for it.
func (h *hosts) topology(key string, except ...*topology) *topology {
	if known := h.topologies[key]; known != nil {
		return known
	}
	created := &topology{key: key, place: len(h.places), values: map[string]*value{}}
	if len(h.places) >= h.spare {
		if i := slices.IndexFunc(h.places, func(t *topology) bool { return t.uses == 0 && !slices.Contains(except, t) }); i >= 0 {
			created.place = i
			delete(h.topologies, h.places[i].key)
			h.dropped++
		}
	}
	h.topologies[key] = created
	if created.place == len(h.places) {
		h.places = append(h.places, nil)
	}
	h.places[created.place] = created
	for host := range maps.Values(h.byName) {
		host.set(created)
	}
	for host := range h.former {
		host.set(created)
	}
	return created
}

// at returns the value that a host has of a topology key; nil if it has none.
func (h *hosts) at(host *host, key string) (*topology, *value) {
	of := h.topologies[key]
	if of == nil {
		if _, ok := host.labels[key]; !ok {
			return nil, nil // one that no host has need not be known
		}
		of = h.topology(key)
	}
	return of, host.at(of)
}
