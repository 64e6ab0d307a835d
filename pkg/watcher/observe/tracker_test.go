// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testclock "k8s.io/utils/clock/testing"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// run steps the clock by seconds, with the API server answering every second unless it is silent.
type run struct {
	clock   *testclock.FakeClock
	tracker *Tracker
}

func newRun() *run {
	c := testclock.NewFakeClock(start)
	r := &run{clock: c, tracker: NewTracker(c)}
	r.tracker.Answered()
	return r
}

func (r *run) answering(seconds int) {
	for range seconds {
		r.clock.Step(time.Second)
		r.tracker.Answered()
	}
}

func (r *run) silent(seconds int) { r.clock.Step(time.Duration(seconds) * time.Second) }

func TestTracker(t *testing.T) {
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	tests := map[string]struct {
		play func(*run)
		want Lease
	}{
		"never heard of": {
			play: func(r *run) { r.answering(100) },
			want: Lease{},
		},
		"first sight is no change": {
			play: func(r *run) { r.tracker.Seen("n", "a"); r.answering(30) },
			want: Lease{UnchangedFor: 30 * time.Second, Fingerprint: "a"},
		},
		"a change starts the clock": {
			play: func(r *run) {
				r.tracker.Seen("n", "a")
				r.answering(30)
				r.tracker.Seen("n", "b")
				r.answering(7)
			},
			want: Lease{UnchangedFor: 7 * time.Second, LastChange: at(30), Fingerprint: "b"},
		},
		"the same again is no change": {
			play: func(r *run) {
				r.tracker.Seen("n", "a")
				r.answering(20)
				r.tracker.Seen("n", "a")
				r.answering(10)
			},
			want: Lease{UnchangedFor: 30 * time.Second, Fingerprint: "a"},
		},
		"losing the Lease is no sign of life": {
			play: func(r *run) {
				r.tracker.Seen("n", "a")
				r.answering(20)
				r.tracker.Seen("n", "")
				r.answering(10)
			},
			want: Lease{UnchangedFor: 30 * time.Second, Fingerprint: "a"},
		},
		"while the API server is silent nothing is known": {
			play: func(r *run) { r.tracker.Seen("n", "a"); r.answering(40); r.silent(6) },
			want: Lease{Fingerprint: "a"},
		},
		"a pause of MaxGap is no gap": {
			play: func(r *run) { r.tracker.Seen("n", "a"); r.answering(40); r.silent(5); r.tracker.Answered() },
			want: Lease{UnchangedFor: 45 * time.Second, Fingerprint: "a"},
		},
		"after a gap the clock starts again": {
			play: func(r *run) {
				r.tracker.Seen("n", "a")
				r.answering(40)
				r.silent(30)
				r.tracker.Answered()
				r.answering(24)
			},
			want: Lease{UnchangedFor: 24 * time.Second, Fingerprint: "a"},
		},
		"a change in a gap counts from when it is seen": {
			play: func(r *run) {
				r.tracker.Seen("n", "a")
				r.silent(30)
				r.tracker.Answered()
				r.answering(3)
				r.tracker.Seen("n", "b")
				r.answering(2)
			},
			want: Lease{UnchangedFor: 2 * time.Second, LastChange: at(33), Fingerprint: "b"},
		},
		"a failed watch starts all clocks again": {
			play: func(r *run) { r.tracker.Seen("n", "a"); r.answering(40); r.tracker.Restart(); r.answering(5) },
			want: Lease{UnchangedFor: 5 * time.Second, Fingerprint: "a"},
		},
		"another boot ID is a sign of life": {
			play: func(r *run) {
				r.tracker.Booted("n", "boot-1")
				r.tracker.Seen("n", "a")
				r.answering(40)
				r.tracker.Booted("n", "boot-1")
				r.tracker.Booted("n", "")
				r.answering(20)
				r.tracker.Booted("n", "boot-2")
				r.answering(4)
			},
			want: Lease{UnchangedFor: 4 * time.Second, Fingerprint: "a"},
		},
		"a node that comes back begins anew": {
			play: func(r *run) {
				r.tracker.Seen("n", "a")
				r.answering(40)
				r.tracker.Forget("n")
				r.tracker.Seen("n", "a")
				r.answering(1)
			},
			want: Lease{UnchangedFor: time.Second, Fingerprint: "a"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRun()
			tc.play(r)
			if diff := cmp.Diff(tc.want, r.tracker.Lease("n")); diff != "" {
				t.Errorf("Lease() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTrackerCountsGaps(t *testing.T) {
	r := newRun()
	r.silent(30)
	if r.tracker.Answering() {
		t.Error("Answering() = true after 30 s of silence")
	}
	if got := r.tracker.Answered(); got != 30*time.Second {
		t.Errorf("Answered() = %s, want the gap of 30s", got)
	}
	if got := r.tracker.Answered(); got != 0 {
		t.Errorf("Answered() again = %s, want 0", got)
	}
	if got := r.tracker.Gaps(); got != 1 {
		t.Errorf("Gaps() = %d, want 1", got)
	}
}

// An outage of the API server of 30 s: no clock ever passes what the API server was there to show.
func TestProbe(t *testing.T) {
	c := testclock.NewFakeClock(start)
	tracker := NewTracker(c)
	var failing error
	p := &Probe{Tracker: tracker, Clock: c, Ask: func(context.Context) error { return failing }}
	ctx := t.Context()
	p.once(ctx)
	tracker.Seen("n", "a")
	step := func(n int) (worst time.Duration) {
		for range n {
			c.Step(probeInterval)
			p.once(ctx)
			worst = max(worst, tracker.Lease("n").UnchangedFor)
		}
		return worst
	}
	if got := step(5); got != 10*time.Second {
		t.Fatalf("after 10 s: %s, want 10s", got)
	}
	failing = errors.New("connection refused")
	if got := step(15); got > 10*time.Second+MaxGap {
		t.Errorf("during the outage the clock reached %s", got)
	}
	failing = nil
	if got := step(12); got != 22*time.Second {
		t.Errorf("24 s after the outage began to end: %s, want 22s", got)
	}
}
