// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// scenario is a cluster, and pods that come to it.
type scenario struct {
	nodes, vms int
	pods       string // which workload comes
	large      bool   // takes minutes and gigabytes: only when asked for by its whole name
}

// name is that of the benchmark, in the form that benchstat can select by.
func (s scenario) name() string {
	return fmt.Sprintf("nodes=%d/vms=%d/pods=%s", s.nodes, s.vms, s.pods)
}

var workloads = map[string]workload{
	"plain": plainPod,
	"vm":    vm,
}

var scenarios = []scenario{
	{nodes: 20, vms: 100, pods: "plain"},
	{nodes: 20, vms: 100, pods: "vm"},
	{nodes: 100, vms: 1_000, pods: "plain"},
	{nodes: 100, vms: 1_000, pods: "vm"},
	{nodes: 1_000, vms: 10_000, pods: "plain"},
	{nodes: 1_000, vms: 10_000, pods: "vm"},
	{nodes: 5_000, vms: 50_000, pods: "plain", large: true},
	{nodes: 5_000, vms: 50_000, pods: "vm", large: true},
}

// choose returns the scenarios whose names a pattern matches, and of the large ones only those that it names in full.
func choose(pattern string) ([]scenario, error) {
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("scenarios: %w", err)
	}
	var chosen []scenario
	for _, s := range scenarios {
		if expression.MatchString(s.name()) && (!s.large || pattern == s.name()) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no scenario matches %q; there are:%s", pattern, list())
	}
	return chosen, nil
}

func list() string {
	var text strings.Builder
	for _, s := range scenarios {
		text.WriteString("\n  " + s.name())
		if s.large {
			text.WriteString(" (only by its whole name)")
		}
	}
	return text.String()
}
