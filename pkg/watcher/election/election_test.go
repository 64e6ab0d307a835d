// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package election

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"
)

func TestGate(t *testing.T) {
	c := testclock.NewFakeClock(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	g := NewGate(c, 10*time.Second)
	if _, _, ok := g.Enter(t.Context()); ok {
		t.Error("Enter() of a closed gate succeeded")
	}
	if err := g.Check(); !errors.Is(err, ErrNotLeading) {
		t.Errorf("Check() of a closed gate = %v, want ErrNotLeading", err)
	}
	_, changed := g.Leading()
	g.renewedAt(c.Now())
	g.begin(t.Context())
	<-changed
	work, leave, ok := g.Enter(t.Context())
	if !ok {
		t.Fatal("Enter() of an open gate failed")
	}
	c.Step(10 * time.Second)
	if err := g.Check(); err != nil {
		t.Errorf("Check() at the age of 10s = %v, want nil", err)
	}
	c.Step(time.Second)
	if err := g.Check(); !errors.Is(err, ErrNotLeading) {
		t.Errorf("Check() at the age of 11s = %v, want ErrNotLeading: the process may have been paused", err)
	}
	if _, _, ok := g.Enter(t.Context()); ok {
		t.Error("Enter() at the age of 11s succeeded")
	}
	finished := make(chan struct{})
	go func() { g.finish(); close(finished) }()
	<-work.Done()
	select {
	case <-finished:
		t.Error("finish() returned while work was under way")
	default:
	}
	if _, _, ok := g.Enter(t.Context()); ok {
		t.Error("Enter() succeeded after the term")
	}
	leave()
	<-finished
}

func TestGateDoesNotOpenForATermThatIsOver(t *testing.T) {
	g := NewGate(clock.RealClock{}, 0)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	g.begin(over)
	if leading, _ := g.Leading(); leading {
		t.Error("the gate opened for a term that is over")
	}
}

// An API server that goes away takes the lead, not the process; when it is back the same process leads again. A clean end gives the
// lease up, after the work.
func TestElectorOutlivesAnOutage(t *testing.T) {
	client := fake.NewClientset()
	var away atomic.Bool
	client.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		if away.Load() {
			return true, nil, apierrors.NewServiceUnavailable("away")
		}
		return false, nil, nil
	})
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: "ns", Name: "lease"},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: "me"},
	}
	elector, gate := New(clock.RealClock{}, lock, Config{
		Enabled: true, LeaseDuration: 3 * time.Second, RenewDeadline: 300 * time.Millisecond, RetryPeriod: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- elector.Start(ctx) }()

	until(t, gate, true)
	if err := gate.Check(); err != nil {
		t.Errorf("Check() of the leader: %v", err)
	}
	away.Store(true)
	until(t, gate, false)
	away.Store(false)
	until(t, gate, true)

	_, leave, ok := gate.Enter(ctx)
	if !ok {
		t.Fatal("Enter() of the leader failed")
	}
	cancel()
	until(t, gate, false)
	lease, err := client.CoordinationV1().Leases("ns").Get(t.Context(), "lease", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if *lease.Spec.HolderIdentity != "me" {
		t.Error("the lease was given up while work was under way")
	}
	leave()
	if err := <-ended; err != nil {
		t.Errorf("Start() = %v", err)
	}
	if lease, err = client.CoordinationV1().Leases("ns").Get(t.Context(), "lease", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
		t.Errorf("the lease is still held by %q after a clean end", *lease.Spec.HolderIdentity)
	}
}

func until(t *testing.T, gate *Gate, want bool) {
	t.Helper()
	for {
		leading, changed := gate.Leading()
		if leading == want {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal("the test ended")
		case <-time.After(30 * time.Second):
			t.Fatalf("leading did not become %t", want)
		}
	}
}
