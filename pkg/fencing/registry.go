// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Registry finds the driver of a node.
type Registry struct {
	drivers []Driver
}

// NewRegistry makes a registry of drivers in the order of preference. Two drivers of one name are refused: records
// would not say which one gave a proof.
func NewRegistry(drivers ...Driver) (*Registry, error) {
	names := map[string]bool{}
	for _, d := range drivers {
		if names[d.Name()] {
			return nil, fmt.Errorf("fencing driver %q is registered twice", d.Name())
		}
		names[d.Name()] = true
	}
	return &Registry{drivers: slices.Clone(drivers)}, nil
}

// For returns the first driver that is configured for the node; false when there is none.
func (r *Registry) For(node string) (Driver, bool) {
	for _, d := range r.drivers {
		if d.Configured(node) {
			return d, true
		}
	}
	return nil, false
}

// SharedSystems returns, for every node whose system (endpoint and id) is configured for another node too, all nodes
// that share it, sorted. Such a BMC can be about at most one of them, so it must be believed for none. Two names of one
// BMC are not found out here: comparing identities is what does that.
func SharedSystems(hosts []Host) map[string][]string {
	users := map[string][]string{}
	for _, h := range hosts {
		key := systemKey(h)
		if !slices.Contains(users[key], h.NodeName) {
			users[key] = append(users[key], h.NodeName)
		}
	}
	shared := map[string][]string{}
	for _, nodes := range users {
		if len(nodes) < 2 {
			continue
		}
		slices.Sort(nodes)
		for _, node := range nodes {
			shared[node] = append(shared[node], nodes...)
		}
	}
	for node, nodes := range shared { // a node with several entries
		slices.Sort(nodes)
		shared[node] = slices.Compact(nodes)
	}
	return shared
}

func systemKey(h Host) string {
	host := strings.ToLower(strings.TrimRight(h.Endpoint, "/"))
	if u, err := url.Parse(h.Endpoint); err == nil && u.Hostname() != "" {
		port := u.Port()
		if port == "" {
			port = "443"
		}
		host = strings.ToLower(u.Hostname()) + ":" + port
	}
	return host + " " + h.SystemID
}
