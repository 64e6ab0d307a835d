// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package perscheduler

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
)

func handle(ctx context.Context, t *testing.T, lister fwk.SharedLister) fwk.Handle {
	t.Helper()
	var options []frameworkruntime.Option
	if lister != nil {
		options = append(options, frameworkruntime.WithSnapshotSharedLister(lister))
	}
	h, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What is handed out here are numbers, in the order in which they were started.
func TestPool(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := 0
	pool := NewPool(func(context.Context, fwk.Handle) (int, error) {
		started++
		return started, nil
	})
	of := func(ctx context.Context, lister fwk.SharedLister) int {
		t.Helper()
		got, err := pool.For(ctx, handle(ctx, t, lister))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first, second := cache.NewEmptySnapshot(), cache.NewEmptySnapshot()
	if a, b := of(ctx, first), of(ctx, first); a != 1 || b != 1 {
		t.Errorf("two profiles of one scheduler have %d and %d, want 1 both", a, b)
	}
	ctx2, end := context.WithCancel(ctx)
	if got := of(ctx2, second); got != 2 {
		t.Errorf("another scheduler has %d, want one of its own: 2", got)
	}
	if a, b := of(ctx, nil), of(ctx, nil); a != 3 || b != 4 {
		t.Errorf("handles without a snapshot have %d and %d, want one each: 3 and 4", a, b)
	}
	end()
	err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return len(pool.of) == 1 && pool.of[first] != nil, nil
	})
	if err != nil {
		t.Error("the scheduler that ended is not forgotten")
	}
	if got := of(ctx, first); got != 1 {
		t.Errorf("the scheduler that goes on has %d, want 1 still", got)
	}
}

func TestPoolForgetsWhatDidNotStart(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	fails := true
	pool := NewPool(func(context.Context, fwk.Handle) (string, error) {
		if fails {
			return "", errors.New("no")
		}
		return "started", nil
	})
	h := handle(ctx, t, cache.NewEmptySnapshot())
	if _, err := pool.For(ctx, h); err == nil {
		t.Fatal("no error")
	}
	fails = false
	if got, err := pool.For(ctx, h); got != "started" || err != nil {
		t.Errorf("For() = %q, %v after a failure, want it tried again", got, err)
	}
}
