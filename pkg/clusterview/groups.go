// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// asked collects the label keys that selectors named for the first time, until the next refresh.
type asked struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

func (a *asked) add(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys == nil {
		a.keys = map[string]struct{}{}
	}
	if len(a.keys) < maxSelected {
		a.keys[key] = struct{}{}
	}
}

func (a *asked) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.keys) == 0 {
		return nil
	}
	keys := slices.Sorted(maps.Keys(a.keys))
	clear(a.keys)
	return keys
}

// SelectBy makes hosts be grouped also by the given label keys, those that a selector names, from the next refresh on.
// A node's name is no group, and no more than 256 keys are learned: ask GroupsBy. It is quick for known keys; a new
// one costs one pass over the labels of all nodes, once.
func (v *View) SelectBy(keys ...string) {
	g := v.groups.Load()
	for _, key := range keys {
		if key != corev1.LabelHostname && len(g.selected) < maxSelected && !candidate(key, g.selected) {
			v.asked.add(key)
		}
	}
}

// GroupsBy is true for a label key of which the labels of a class tell all: a host has the value that its class has,
// or none if its class has none. It is false for keys that are not looked at, and for those that have more than 64
// values in the cluster: ask the node then.
func (v *View) GroupsBy(key string) bool {
	g := v.groups.Load()
	if !candidate(key, g.selected) {
		return false
	}
	_, wide := g.wide[key]
	return !wide
}

// Classes returns the groups of hosts with the same labels: KubeVirt's, the architecture, and those that SelectBy
// named. Each host of the snapshot is in one. They are in the order of their IDs, and read-only.
func (v *View) Classes() []Class { return v.groups.Load().classes }
