// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fencing_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

// nodes is a driver that only knows which nodes it is for.
type nodes struct {
	name  string
	known map[string]bool
}

func (n nodes) Name() string                { return n.name }
func (n nodes) Configured(node string) bool { return n.known[node] }
func (n nodes) Read(context.Context, string) (fencing.Reading, error) {
	return fencing.Reading{}, fencing.ErrUnreachable
}
func (n nodes) PowerOff(context.Context, string) error { return fencing.ErrUnreachable }

func TestRegistryFor(t *testing.T) {
	registry, err := fencing.NewRegistry(
		nodes{"first", map[string]bool{"a": true}},
		nodes{"second", map[string]bool{"a": true, "b": true}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for node, want := range map[string]string{"a": "first", "b": "second", "c": ""} {
		got := ""
		if driver, ok := registry.For(node); ok {
			got = driver.Name()
		}
		if got != want {
			t.Errorf("driver of %s: got %q, want %q", node, got, want)
		}
	}
}

func TestRegistryRefusesTwins(t *testing.T) {
	if _, err := fencing.NewRegistry(nodes{name: "twin"}, nodes{name: "twin"}); err == nil {
		t.Error("two drivers of one name were accepted")
	}
}

func TestSharedSystems(t *testing.T) {
	host := func(node, endpoint, system string) fencing.Host {
		return fencing.Host{NodeName: node, Endpoint: endpoint, SystemID: system}
	}
	cases := map[string]struct {
		hosts []fencing.Host
		want  map[string][]string
	}{
		"one BMC each":                {[]fencing.Host{host("a", "https://a.bmc", "1"), host("b", "https://b.bmc", "1")}, map[string][]string{}},
		"one BMC with two systems":    {[]fencing.Host{host("a", "https://a.bmc", "1"), host("b", "https://a.bmc", "2")}, map[string][]string{}},
		"one port each":               {[]fencing.Host{host("a", "https://x:1", "1"), host("b", "https://x:2", "1")}, map[string][]string{}},
		"the same node twice":         {[]fencing.Host{host("a", "https://a.bmc", "1"), host("a", "https://a.bmc", "1")}, map[string][]string{}},
		"one system for two":          {[]fencing.Host{host("b", "https://a.bmc", "1"), host("a", "https://a.bmc", "1")}, map[string][]string{"a": {"a", "b"}, "b": {"a", "b"}}},
		"the same, spelled otherwise": {[]fencing.Host{host("a", "https://A.bmc/", "1"), host("b", "https://a.bmc:443", "1"), host("c", "https://c.bmc", "1")}, map[string][]string{"a": {"a", "b"}, "b": {"a", "b"}}},
		"three in a chain":            {[]fencing.Host{host("a", "https://x", "1"), host("b", "https://x", "1"), host("b", "https://y", "1"), host("c", "https://y", "1")}, map[string][]string{"a": {"a", "b"}, "b": {"a", "b", "c"}, "c": {"b", "c"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, fencing.SharedSystems(tc.hosts)); diff != "" {
				t.Errorf("shared systems (-want +got):\n%s", diff)
			}
		})
	}
}
