// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"
)

// patience bounds waits for what takes microseconds unless something is broken.
const patience = 60 * time.Second

// lookAgain is how often in a row nothing must run: the run queues are read without stopping the world, so that a single look may
// miss a goroutine that is on its way from one processor to another.
const lookAgain = 3

// settle waits until condition holds and nothing but the calling goroutine runs, or could run, in this process: what
// is left waits for something to come from outside, for a timer, or for the caller.
func settle(ctx context.Context, condition func() bool) error {
	samples := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}, {Name: "/sched/goroutines/running:goroutines"}}
	start := time.Now()
	for calm, looks := 0, 0; calm < lookAgain; looks++ {
		if looks%256 == 255 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if time.Since(start) > patience {
				return fmt.Errorf("the process did not come to rest within %s: does something else run in it?", patience)
			}
		}
		metrics.Read(samples)
		if samples[0].Value.Kind() != metrics.KindUint64 || samples[1].Value.Kind() != metrics.KindUint64 {
			return fmt.Errorf("this Go does not report %s: simapi needs Go 1.26 or newer", samples[0].Name)
		}
		if samples[0].Value.Uint64() == 0 && samples[1].Value.Uint64() <= 1 && condition() {
			calm++
			continue
		}
		calm = 0
		if looks < 100 {
			runtime.Gosched()
			continue
		}
		// A collection of garbage takes a while, and the processors.
		time.Sleep(20 * time.Microsecond)
	}
	return nil
}
