// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// scenario is a cluster, and pods that come to it.
type scenario struct {
	nodes, vms int
	pods       string // which workload comes
	moving     int    // VMs that are being migrated
	off        int    // hosts that were proved to be off, with VMs on them
	large      bool   // takes minutes and gigabytes: only when asked for by its whole name
}

// name is that of the benchmark, in the form that benchstat can select by.
func (s scenario) name() string {
	name := fmt.Sprintf("nodes=%d/vms=%d/pods=%s", s.nodes, s.vms, s.pods)
	if s.moving > 0 {
		name += fmt.Sprintf("/moving=%d", s.moving)
	}
	if s.off > 0 {
		name += fmt.Sprintf("/off=%d", s.off)
	}
	return name
}

// affine is true when pods with affinity come.
func (s scenario) affine() bool { return s.pods != "plain" && s.pods != "vm" }

var workloads = map[string]workload{
	"plain":       plainPod,
	"vm":          vm,
	"apart3":      grouped(3, apart(corev1.LabelHostname)),
	"apart50":     grouped(50, apart(corev1.LabelHostname)),
	"apart-zones": grouped(zones, apart(corev1.LabelTopologyZone)),
	"together":    grouped(10, together(corev1.LabelTopologyZone)),
	"prefer":      grouped(10, prefer(corev1.LabelHostname)),
	"joining50":   joining(50, apart(corev1.LabelHostname)),
	"joining500":  joining(500, apart(corev1.LabelHostname)), // more than the index looks at one by one
}

// residents are the VMs that are there before, where those are not of the plain kind.
func residents(pods string) workload {
	if pods == "plain" {
		return vm
	}
	return workloads[pods]
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
	{nodes: 20, vms: 100, pods: "apart3"},
	{nodes: 500, vms: 2_000, pods: "apart3"},
	{nodes: 500, vms: 2_000, pods: "apart50"},
	{nodes: 500, vms: 2_000, pods: "apart-zones"},
	{nodes: 500, vms: 2_000, pods: "together"},
	{nodes: 500, vms: 2_000, pods: "prefer"},
	{nodes: 500, vms: 2_000, pods: "joining50", moving: 20, off: 5},
	{nodes: 5_000, vms: 2_000, pods: "apart3"},
	{nodes: 5_000, vms: 10_000, pods: "apart3", large: true},
	{nodes: 5_000, vms: 20_000, pods: "apart3", large: true},
	{nodes: 5_000, vms: 50_000, pods: "apart3", large: true},
	{nodes: 5_000, vms: 2_000, pods: "apart50"},
	{nodes: 5_000, vms: 20_000, pods: "apart50", large: true},
	{nodes: 5_000, vms: 50_000, pods: "apart50", large: true},
	{nodes: 5_000, vms: 2_000, pods: "joining500"},
	{nodes: 5_000, vms: 20_000, pods: "joining500", large: true},
	{nodes: 5_000, vms: 50_000, pods: "joining500", large: true},
	{nodes: 5_000, vms: 2_000, pods: "apart-zones"},
	{nodes: 5_000, vms: 20_000, pods: "apart-zones", large: true},
	{nodes: 5_000, vms: 50_000, pods: "apart-zones", large: true},
	{nodes: 5_000, vms: 2_000, pods: "together"},
	{nodes: 5_000, vms: 20_000, pods: "together", large: true},
	{nodes: 5_000, vms: 50_000, pods: "together", large: true},
	{nodes: 5_000, vms: 2_000, pods: "prefer"},
	{nodes: 5_000, vms: 20_000, pods: "prefer", large: true},
	{nodes: 5_000, vms: 50_000, pods: "prefer", large: true},
	{nodes: 5_000, vms: 2_000, pods: "joining50", moving: 200},
	{nodes: 5_000, vms: 20_000, pods: "joining50", moving: 200, large: true},
	{nodes: 5_000, vms: 50_000, pods: "joining50", moving: 200, large: true},
	{nodes: 5_000, vms: 50_000, pods: "joining50", off: 100, large: true}, // about 1,000 VMs
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
