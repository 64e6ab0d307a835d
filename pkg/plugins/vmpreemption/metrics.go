// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// attemptsTotal counts searches for room, by what was found: "moves", "kills" when at least one VM or pod is shut down, on a node where
// VMs have to go; "pods" when upstream's own code chose pods that are no VMs; "none".
var attemptsTotal = metrics.NewCounterVec(&metrics.CounterOpts{
	Subsystem: "virt_scheduler", Name: "preemption_attempts_total",
	Help:           "Searches for room for a pod, by what was found: moves, kills, pods, none.",
	StabilityLevel: metrics.ALPHA,
}, []string{"outcome"})

var register sync.Once

// registerMetrics registers the metrics where those of the scheduler are; a process may have several schedulers.
func registerMetrics() { register.Do(func() { legacyregistry.MustRegister(attemptsTotal) }) }
