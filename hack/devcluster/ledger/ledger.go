// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ledger reads the simulated guests' ledger and says whether a VM ever ran twice at once: the one promise that
// no API object can witness, because the API is what a wrong release misleads.
//
// It holds pure functions over simhost.GuestEvent. It neither fetches the ledger nor knows what a VM's runStrategy asks for.
package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Guest is one life of one guest: from its start in a launcher pod until it stopped there. A live migration ends one
// Guest and begins another at the same instant.
type Guest struct {
	VM     types.NamespacedName
	VMIUID string
	PodUID string
	Node   string
	// From is when it started, and WhyFrom why.
	From    time.Time
	WhyFrom string
	// Until is when it stopped, the zero time while it lives, and WhyUntil why.
	Until    time.Time
	WhyUntil string
}

// Live says whether the guest still runs at the end of the ledger.
func (g Guest) Live() bool { return g.Until.IsZero() }

// At says whether the guest ran at t; it no longer does at the very instant at which it stopped.
func (g Guest) At(t time.Time) bool {
	return !t.Before(g.From) && (g.Live() || t.Before(g.Until))
}

// overlaps says whether both ran at one moment. A guest that stopped before it started (its machine lost power in
// between, the simulator saw it late) never ran.
func (g Guest) overlaps(o Guest) bool {
	if g.empty() || o.empty() {
		return false
	}
	return (o.Live() || g.From.Before(o.Until)) && (g.Live() || o.From.Before(g.Until))
}

func (g Guest) empty() bool { return !g.Live() && !g.From.Before(g.Until) }

func (g Guest) String() string {
	return fmt.Sprintf("pod %s on %s", g.PodUID, g.Node)
}

// Rule names what a Violation breaks.
type Rule string

// The rules.
const (
	// RuleOneGuest: a VM has at most one running guest at any moment.
	RuleOneGuest Rule = "OneGuest"
	// RuleSequence: entries are numbered without gaps, a guest starts before it stops and does each once. A ledger that breaks it
	// proves nothing, so it is a violation, too.
	RuleSequence Rule = "Sequence"
)

// Violation is one thing that must never be.
type Violation struct {
	Rule Rule
	VM   types.NamespacedName
	// At is when it began.
	At time.Time
	// Detail says what was seen, with pods and nodes.
	Detail string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s at %s: %s", v.Rule, v.VM, v.At.UTC().Format(time.RFC3339Nano), v.Detail)
}

// place is where one guest of a VM may run; nothing starts twice in one place.
type place struct {
	vm        types.NamespacedName
	pod, node string
}

// Guests folds the ledger into lives, ordered by VM and start. Entries that fit no life are reported and left out.
func Guests(events []simhost.GuestEvent) ([]Guest, []Violation) {
	var lives []Guest
	var bad []Violation
	open := map[place]int{}
	for i, e := range events {
		vm := types.NamespacedName{Namespace: e.Namespace, Name: e.VMI}
		report := func(format string, args ...any) {
			detail := fmt.Sprintf("entry %d: ", e.Seq) + fmt.Sprintf(format, args...)
			bad = append(bad, Violation{Rule: RuleSequence, VM: vm, At: e.At, Detail: detail})
		}
		if i > 0 && e.Seq != events[i-1].Seq+1 {
			report("follows entry %d", events[i-1].Seq)
		}
		at := place{vm: vm, pod: e.PodUID, node: e.Node}
		index, running := open[at]
		switch {
		case e.Event == simhost.GuestStarted && running:
			report("the guest in pod %s on %s started, but it runs already", e.PodUID, e.Node)
		case e.Event == simhost.GuestStarted:
			open[at] = len(lives)
			lives = append(lives, Guest{
				VM: vm, VMIUID: e.VMIUID, PodUID: e.PodUID, Node: e.Node, From: e.At, WhyFrom: e.Why,
			})
		case e.Event == simhost.GuestStopped && !running:
			report("the guest in pod %s on %s stopped, but it did not run", e.PodUID, e.Node)
		case e.Event == simhost.GuestStopped:
			lives[index].Until, lives[index].WhyUntil = e.At, e.Why
			delete(open, at)
		default:
			report("unknown event %q", e.Event)
		}
	}
	slices.SortStableFunc(lives, byVMAndStart)
	return lives, bad
}

func byVMAndStart(a, b Guest) int {
	return cmp.Or(cmp.Compare(a.VM.String(), b.VM.String()), a.From.Compare(b.From))
}

// Check returns every violation in the ledger, ordered by time; none means that no VM ever had two running guests.
// Time counts, not the order of the entries: a guest that a power cut ended is entered when the simulator learns of it.
func Check(events []simhost.GuestEvent) []Violation {
	lives, bad := Guests(events)
	for i, g := range lives {
		// Lives of one VM are neighbours and ordered by start, but a long one may overlap more than its next.
		for _, o := range lives[i+1:] {
			if o.VM != g.VM {
				break
			}
			if g.overlaps(o) {
				bad = append(bad, Violation{
					Rule: RuleOneGuest, VM: g.VM, At: o.From,
					Detail: fmt.Sprintf("%s started (%s) while %s was running", o, o.WhyFrom, g),
				})
			}
		}
	}
	slices.SortStableFunc(bad, func(a, b Violation) int { return a.At.Compare(b.At) })
	return bad
}

// Live returns the guests that run at the end of the ledger, by VM. More than one entry for a VM is a violation that
// Check reports, too.
func Live(events []simhost.GuestEvent) map[types.NamespacedName][]Guest {
	live := map[types.NamespacedName][]Guest{}
	lives, _ := Guests(events)
	for _, g := range lives {
		if g.Live() {
			live[g.VM] = append(live[g.VM], g)
		}
	}
	return live
}
