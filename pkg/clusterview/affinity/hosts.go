// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"maps"
	"reflect"

	corev1 "k8s.io/api/core/v1"
)

// host is a node as pods were added with it.
type host struct {
	// few and more are the values of topology keys, by the places of these; nil where the node does not have the label.
	// The first are at hand, for the sake of the processor's cache.
	few    [3]*value
	more   []*value
	name   string
	labels map[string]string
	pods   int
}

// at returns the host's value of a topology key; nil if it has none.
func (h *host) at(of *topology) *value {
	if of.place < len(h.few) {
		return h.few[of.place]
	}
	return h.more[of.place-len(h.few)]
}

// set looks up the host's value of a topology key.
func (h *host) set(of *topology) {
	v, place := of.hold(h.labels), of.place-len(h.few)
	switch {
	case place < 0:
		h.few[of.place] = v
	case place < len(h.more):
		h.more[place] = v
	default:
		h.more = append(h.more, v)
	}
}

// hosts are those that have pods, and the topology keys that terms or questions named.
type hosts struct {
	byName map[string]*host
	// former are hosts whose node came with other labels later; they live on in their pods until these are removed.
	former     map[*host]struct{}
	topologies map[string]*topology
	// places are the topologies by their place in each host's values.
	places []*topology
	// spare is how many topology keys there may be before those that nobody needs make room.
	spare int
	// dropped is how often one made room.
	dropped int
}

func newHosts() hosts {
	return hosts{byName: map[string]*host{}, former: map[*host]struct{}{}, topologies: map[string]*topology{}, spare: 16}
}

// hold returns the host for one more pod.
func (h *hosts) hold(node *corev1.Node) *host {
	var name string
	var labels map[string]string
	if node != nil { // as a NodeInfo without its node says
		name, labels = node.Name, node.Labels
	}
	known := h.byName[name]
	if known == nil || !known.renew(labels) {
		if known != nil {
			h.former[known] = struct{}{}
		}
		known = &host{name: name, labels: labels}
		for _, of := range h.places {
			known.set(of)
		}
		h.byName[name] = known
	}
	known.pods++
	return known
}

func (h *hosts) release(of *host) {
	of.pods--
	if of.pods > 0 {
		return
	}
	for _, topology := range h.places {
		topology.release(of.at(topology))
	}
	delete(h.former, of)
	if h.byName[of.name] == of {
		delete(h.byName, of.name)
	}
}

func (h *hosts) renew(node *corev1.Node) {
	if known := h.byName[node.Name]; known != nil {
		known.renew(node.Labels)
	}
}

// renew keeps the newer of two maps that say the same; it is false when they do not.
func (h *host) renew(labels map[string]string) bool {
	if reflect.ValueOf(h.labels).UnsafePointer() == reflect.ValueOf(labels).UnsafePointer() {
		return true // the very same map, as for most pods
	}
	if !maps.Equal(h.labels, labels) {
		return false
	}
	h.labels = labels
	return true
}
