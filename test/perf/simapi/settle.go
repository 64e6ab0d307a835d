// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// patience bounds waits for what takes microseconds unless something is broken.
	patience = 60 * time.Second
	// lookAgain is how often in a row nothing must run: the run queues are read without stopping the world, so that a single look may
	// miss a goroutine that is on its way from one processor to another.
	lookAgain = 3
	// lasting is for how long a goroutine must be in a system call to be taken for one that waits there for the outside world,
	// as that does which waits for signals, and not for one that writes a line of a log.
	lasting = 50 * time.Millisecond
)

// inCalls is the least number of goroutines that were ever seen in system calls: those stay there.
var inCalls atomic.Uint64

func init() { inCalls.Store(^uint64(0)) }

// look is what the goroutines of the process do at a moment, the one that looks left out.
type look struct{ runnable, running, inCalls uint64 }

type looker []metrics.Sample

func newLooker() looker {
	return looker{
		{Name: "/sched/goroutines/runnable:goroutines"}, {Name: "/sched/goroutines/running:goroutines"}, {Name: "/sched/goroutines/not-in-go:goroutines"},
	}
}

func (l looker) look() (look, error) {
	metrics.Read(l)
	for _, sample := range l {
		if sample.Value.Kind() != metrics.KindUint64 {
			return look{}, fmt.Errorf("this Go does not report %s: simapi needs Go 1.26 or newer", sample.Name)
		}
	}
	// A thread that is in a system call may count as one that runs, or not.
	return look{runnable: l[0].Value.Uint64(), running: max(l[1].Value.Uint64(), 1) - 1, inCalls: l[2].Value.Uint64()}, nil
}

// settle waits until condition holds and nothing but the calling goroutine runs, or could run, in this process: what
// is left waits for something to come from outside, for a timer, or for the caller.
func settle(ctx context.Context, condition func() bool) error {
	l := newLooker()
	start := time.Now()
	calmSince := start
	for calm, looks := 0, 0; ; looks++ {
		if looks%256 == 255 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if time.Since(start) > patience {
				return fmt.Errorf("the process did not come to rest within %s: does something else run in it?", patience)
			}
		}
		now, err := l.look()
		if err != nil {
			return err
		}
		if now.inCalls < inCalls.Load() {
			inCalls.Store(now.inCalls)
		}
		if now.runnable != 0 || now.running != 0 || !condition() {
			calm, calmSince = 0, time.Time{}
		} else if calm++; calmSince.IsZero() {
			calmSince = time.Now()
		}
		if calm >= lookAgain && (now.inCalls <= inCalls.Load() || time.Since(calmSince) > lasting) {
			inCalls.Store(now.inCalls)
			return nil
		}
		if looks < 100 {
			runtime.Gosched()
			continue
		}
		// A collection of garbage takes a while, and the processors.
		time.Sleep(20 * time.Microsecond)
	}
}
