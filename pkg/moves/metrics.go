// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// Metrics, on the scheduler's own endpoint. They are about moves that this process asked for.
var (
	movesTotal = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem: "virt_scheduler", Name: "preemption_moves_total", StabilityLevel: metrics.ALPHA,
		Help: "VMs that were to move to make room for a preemptor, by result: succeeded, failed (the migration), refused (by the API), timeout, abandoned (not needed any more, or another move of the same plan came to nothing).",
	}, []string{"result"})
	secondsUntilRoom = metrics.NewHistogram(&metrics.HistogramOpts{
		Subsystem: "virt_scheduler", Name: "preemption_room_seconds", StabilityLevel: metrics.ALPHA,
		Help:    "Seconds from the first migration that was asked for until all VMs of a plan had moved.",
		Buckets: []float64{1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600},
	})
)

func init() {
	legacyregistry.MustRegister(movesTotal, secondsUntilRoom)
	for _, r := range []result{resultSucceeded, resultFailed, resultRefused, resultTimeout, resultAbandoned} {
		movesTotal.WithLabelValues(string(r)) // none yet reads 0, and not nothing
	}
}
