// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

// Teller turns what the API shows, time after time, into steps, each told once. The zero value is not usable; make
// one with NewTeller.
type Teller struct {
	node  string
	since time.Time
	told  map[string]bool
	// last is the Node as it was told last.
	last map[string]string
}

// NewTeller makes a teller of the failure of node at since. before is the Node as it was then.
func NewTeller(node NodeSight, since time.Time) *Teller {
	return &Teller{node: node.Name, since: since, told: map[string]bool{}, last: nodeFacts(node)}
}

// failureKind is the kind of the watcher's record.
const failureKind = "NodeFailure"

// mirrored are the events that say the same as a phase does.
var mirrored = []string{
	failover.ReasonSuspected, failover.ReasonConfirmed, failover.ReasonFenced, failover.ReasonAwaitManual,
	failover.ReasonReleasing, failover.ReasonAllSettled, failover.ReasonReturned, failover.ReasonClosed,
}

// wanted are the other events of the failure-watcher.
var wanted = []string{
	failover.ReasonRecovered, failover.ReasonPowerReadOff, failover.ReasonPowerOffIssued, failover.ReasonIdentityMismatch,
	failover.ReasonTokenRefused, failover.ReasonVMHeld, failover.ReasonVMReleased, failover.ReasonOutOfService,
	failover.ReasonVMSettled, failover.ReasonUnfenced,
}

// News returns what was not told before, by time. record may be nil; now dates what bears no time of its own.
func (t *Teller) News(record *failurev1alpha1.NodeFailure, events []corev1.Event, node NodeSight, now time.Time) []Step {
	steps := t.ofNode(node, now)
	if record != nil {
		steps = append(steps, t.ofRecord(record, events)...)
	}
	for i := range events {
		e := &events[i]
		if !slices.Contains(wanted, e.Reason) || eventTime(e, now).Before(t.since.Add(-time.Second)) {
			continue
		}
		// What is about a node is published on the Node and on the NodeFailure, and told once.
		key, text := e.Reason+" "+e.Message, e.Reason+": "+e.Message
		if kind := e.InvolvedObject.Kind; kind != "Node" && kind != failureKind {
			key = e.InvolvedObject.Name + " " + key
			text = e.Reason + " " + e.InvolvedObject.Name + ": " + e.Message
		}
		steps = t.tell(steps, key, Step{At: eventTime(e, now), Source: "watcher", Kind: "event", Text: text})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return steps
}

func (t *Teller) tell(steps []Step, key string, s Step) []Step {
	if t.told[key] {
		return steps
	}
	t.told[key] = true
	s.Seconds = s.At.Sub(t.since).Seconds()
	s.Text = ownClock.ReplaceAllString(s.Text, "")
	return append(steps, s)
}

// ownClock is what the watcher adds to its messages: it counts from the last sign of life, the story from the failure.
var ownClock = regexp.MustCompile(`; \d+(\.\d+)? s after the last sign of life$`)

func (t *Teller) ofRecord(record *failurev1alpha1.NodeFailure, events []corev1.Event) []Step {
	var steps []Step
	for i, e := range record.Status.Evidence {
		key := fmt.Sprint("evidence", i, e.Signal, e.Detail)
		steps = t.tell(steps, key, Step{At: e.At.Time, Source: "watcher", Kind: "evidence", Text: e.Signal + ": " + e.Detail})
	}
	for i, tr := range record.Status.Transitions {
		key := fmt.Sprint("phase", i, tr.Phase)
		text := string(tr.Phase)
		if tr.Reason != "" {
			text += " (" + tr.Reason + ")"
		}
		note := noteOf(tr, events)
		if note == "" && record.Status.Phase == tr.Phase {
			note = record.Status.Message // the event may not have arrived yet
		}
		if note != "" {
			text += ": " + note
		}
		steps = t.tell(steps, key, Step{At: tr.At.Time, Source: "watcher", Kind: "phase", Text: text})
	}
	return steps
}

// noteOf is the message of the event that went with a change of phase, if it is there already.
func noteOf(tr failurev1alpha1.Transition, events []corev1.Event) string {
	for i := range events {
		e := &events[i]
		at := eventTime(e, time.Time{})
		if slices.Contains(mirrored, e.Reason) && phaseOf[e.Reason] == tr.Phase && at.Sub(tr.At.Time).Abs() < 2*time.Second {
			return e.Message
		}
	}
	return ""
}

var phaseOf = map[string]failurev1alpha1.Phase{
	failover.ReasonSuspected:   failurev1alpha1.PhaseSuspect,
	failover.ReasonConfirmed:   failurev1alpha1.PhaseConfirmed,
	failover.ReasonFenced:      failurev1alpha1.PhaseFenced,
	failover.ReasonAwaitManual: failurev1alpha1.PhaseAwaitManual,
	failover.ReasonReleasing:   failurev1alpha1.PhaseReleasing,
	failover.ReasonAllSettled:  failurev1alpha1.PhaseReturning,
	failover.ReasonClosed:      failurev1alpha1.PhaseClosed,
}

// eventTime is the best time that an event bears: micro seconds from the new API, seconds from the old.
func eventTime(e *corev1.Event, now time.Time) time.Time {
	switch {
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	case !e.FirstTimestamp.IsZero():
		return e.FirstTimestamp.Time
	}
	return now
}

func (t *Teller) ofNode(node NodeSight, now time.Time) []Step {
	var steps []Step
	if node.Name != t.node {
		return nil // not read
	}
	facts := nodeFacts(node)
	for key, value := range facts {
		if t.last[key] != value {
			steps = append(steps, t.nodeStep(key, value, now))
		}
	}
	for key := range t.last {
		if _, ok := facts[key]; !ok {
			steps = append(steps, t.nodeStep(key, "off", now))
		}
	}
	t.last = facts
	slices.SortFunc(steps, func(a, b Step) int { return strings.Compare(a.Text, b.Text) })
	return steps
}

func (t *Teller) nodeStep(key, value string, now time.Time) Step {
	kind, _, _ := strings.Cut(key, " ")
	return Step{
		At: now, Seconds: now.Sub(t.since).Seconds(), Source: "node", Kind: strings.ToLower(kind), Text: key + " " + value,
	}
}

// nodeFacts are the things about a node that are told, as key and value.
func nodeFacts(node NodeSight) map[string]string {
	facts := map[string]string{"Ready": map[bool]string{true: "yes", false: "no"}[node.Ready]}
	for i := range node.Taints {
		facts["taint "+node.Taints[i].ToString()] = "on"
	}
	return facts
}
