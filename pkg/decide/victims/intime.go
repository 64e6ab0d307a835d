// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"math"
	"time"
)

// Slots are how many migrations KubeVirt lets go on at once. All moves of a plan leave the same host.
type Slots struct {
	// PerCluster and PerHost are KubeVirt's parallelMigrationsPerCluster and parallelOutboundMigrationsPerNode.
	PerCluster, PerHost int
	// UsedInCluster migrations are under way or waiting, UsedOnHost of them away from the host, whoever asked for them.
	UsedInCluster, UsedOnHost int
	// Held is for how long, from now on, those are thought to hold their slots. 0 and less is for ever: what is used is
	// not counted on.
	Held time.Duration
}

// InTime says whether all moves of a plan are thought to end within a timeout from now. memory has the guest memory of each
// that moves, in bytes; bytesPerSecond is how fast one migration copies it, all told: a guest that writes copies some
// pages more than once.
//
// KubeVirt decides which move comes first, so what counts is the worst order. No slot is idle while a move waits, so with n slots
// the last ends after at most sum/n + largest*(n-1)/n; and after at most as many rounds as there are of n moves, each as long as
// the largest, which is exact where slots are enough and where all are of one size. That is less than twice what the best
// order takes. So if the assumptions hold, a plan that is let pass ends in time, and one that would take no more than half of
// the timeout in the best order, on the slots that are free now, is let pass.
func InTime(memory []int64, s Slots, bytesPerSecond int64, timeout time.Duration) bool {
	if len(memory) == 0 {
		return true
	}
	if bytesPerSecond <= 0 {
		return false
	}
	var sum, largest float64 // an estimate, and sums of bytes do not overflow
	for _, m := range memory {
		seconds := float64(max(m, 0)) / float64(bytesPerSecond)
		sum += seconds
		largest = max(largest, seconds)
	}
	within := func(slots int, after time.Duration) bool {
		if slots <= 0 {
			return false
		}
		n := float64(slots)
		took := min(sum/n+largest*(n-1)/n, math.Ceil(float64(len(memory))/n)*largest)
		return after.Seconds()+took <= timeout.Seconds()
	}
	return within(s.free(), 0) || s.Held > 0 && within(min(s.PerCluster, s.PerHost), s.Held)
}

// free returns how many migrations away from the host KubeVirt would start at once.
func (s Slots) free() int {
	return min(s.PerCluster-max(s.UsedInCluster, 0), s.PerHost-max(s.UsedOnHost, 0))
}
