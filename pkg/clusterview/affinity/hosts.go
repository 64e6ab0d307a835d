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
	name   string
	labels map[string]string
	pods   int
}

// hosts are those that have pods, by name. When a node comes with other labels it becomes another host of that name;
// the former one lives on in its pods until these are removed.
type hosts map[string]*host

// hold returns the host for one more pod.
func (h hosts) hold(node *corev1.Node) *host {
	var name string
	var labels map[string]string
	if node != nil { // as a NodeInfo without its node says
		name, labels = node.Name, node.Labels
	}
	known := h[name]
	if known == nil || !known.renew(labels) {
		known = &host{name: name, labels: labels}
		h[name] = known
	}
	known.pods++
	return known
}

func (h hosts) release(of *host) {
	of.pods--
	if of.pods == 0 && h[of.name] == of {
		delete(h, of.name)
	}
}

func (h hosts) renew(node *corev1.Node) {
	if known := h[node.Name]; known != nil {
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
