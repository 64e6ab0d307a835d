// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package heartbeats

import (
	"context"

	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/perscheduler"
)

// Pool hands out one Source per scheduler, whose profiles share it.
type Pool = perscheduler.Pool[*Source]

// NewPool returns an empty pool whose sources measure time by a clock.
func NewPool(clock clock.PassiveClock) *Pool {
	return perscheduler.NewPool(func(ctx context.Context, handle fwk.Handle) (*Source, error) {
		return start(ctx, handle, clock)
	})
}
