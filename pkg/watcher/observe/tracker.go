// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observe keeps the watcher's clocks: for each node, since when its Lease is unchanged. Times written by nodes are
// never compared with ours; only changes count, and only time during which the API server answered. A gap starts all
// clocks again, so they are never too long.
//
// What a stale Lease means is decided in pkg/decide/failover, not here.
package observe

import (
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/clock"
)

// MaxGap is for how long the API server may be silent before no clock can be trusted any more.
const MaxGap = 5 * time.Second

// Lease is what is known of one node's Lease.
type Lease struct {
	// UnchangedFor is 0 while the API server does not answer.
	UnchangedFor time.Duration
	// LastChange is zero when no change was ever seen.
	LastChange  time.Time
	Fingerprint string
}

// Tracker holds the clocks. It is safe for concurrent use.
type Tracker struct {
	clock clock.PassiveClock

	mu       sync.Mutex
	leases   map[string]*entry
	epoch    time.Time // no clock started earlier
	answered time.Time // when the API server last answered; zero: never
	gaps     int
}

type entry struct {
	fingerprint string
	boot        string
	since       time.Time
	changed     time.Time
}

// NewTracker returns a tracker whose clocks stand still until the API server has answered.
func NewTracker(c clock.PassiveClock) *Tracker {
	return &Tracker{clock: c, leases: map[string]*entry{}}
}

// Fingerprint is the Lease's holder and renew time as text.
func Fingerprint(lease *coordinationv1.Lease) string {
	var holder, renewed string
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	if lease.Spec.RenewTime != nil {
		renewed = lease.Spec.RenewTime.UTC().Format(time.RFC3339Nano)
	}
	return string(lease.UID) + "/" + holder + "@" + renewed
}

// Seen tells the tracker what a node's Lease was when it was last read, by watch or by GET. An absent Lease is "": to lose
// the Lease is no sign of life, so it changes nothing. It returns whether this was a change.
func (t *Tracker) Seen(node, fingerprint string) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	e, known := t.leases[node]
	switch {
	case !known:
		t.leases[node] = &entry{fingerprint: fingerprint, since: now}
	case e.fingerprint == "":
		// First sight of a Lease: it may be old, so it is no change, but it is no older than this for us.
		if fingerprint != "" {
			e.fingerprint, e.since = fingerprint, now
		}
	case fingerprint != "" && e.fingerprint != fingerprint:
		e.fingerprint, e.since, e.changed = fingerprint, now, now
		return true
	}
	return false
}

// Booted tells the tracker the boot ID that the Node shows. A new one is a sign of life: a kubelet that has just started may
// tell its boot before it renews its Lease, and must not be taken for one that has been silent since the boot before.
func (t *Tracker) Booted(node, boot string) {
	if boot == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	e, known := t.leases[node]
	switch {
	case !known:
		t.leases[node] = &entry{boot: boot, since: now}
	case e.boot == "":
		e.boot = boot
	case e.boot != boot:
		e.boot, e.since = boot, now
	}
}

// Forget drops a node that is gone.
func (t *Tracker) Forget(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.leases, node)
}

// Lease returns what is known of a node's Lease; a node never heard of has just begun.
func (t *Tracker) Lease(node string) Lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	e, known := t.leases[node]
	if !known {
		e = &entry{since: now}
		t.leases[node] = e
	}
	lease := Lease{LastChange: e.changed, Fingerprint: e.fingerprint}
	if t.answering(now) {
		since := e.since
		if t.epoch.After(since) {
			since = t.epoch
		}
		lease.UnchangedFor = now.Sub(since)
	}
	return lease
}

// Answered tells the tracker that the API server answered a request just now. It returns the length of the gap that ended
// with this answer, or 0 when there was none.
func (t *Tracker) Answered() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	var gap time.Duration
	if !t.answering(now) {
		t.epoch = now
		if !t.answered.IsZero() {
			gap = now.Sub(t.answered)
			t.gaps++
		}
	}
	t.answered = now
	return gap
}

// Restart starts all clocks again from now: something was missed.
func (t *Tracker) Restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch = t.clock.Now()
}

// Answering says whether the API server has answered within MaxGap.
func (t *Tracker) Answering() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answering(t.clock.Now())
}

// Gaps is how often the API server fell silent.
func (t *Tracker) Gaps() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gaps
}

func (t *Tracker) answering(now time.Time) bool {
	return !t.answered.IsZero() && now.Sub(t.answered) <= MaxGap
}
