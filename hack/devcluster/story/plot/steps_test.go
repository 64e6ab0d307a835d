// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

func event(kind, object, reason, message string, seconds float64) corev1.Event {
	return corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: kind, Name: object}, Reason: reason, Message: message,
		EventTime: metav1.NewMicroTime(after(seconds)),
	}
}

func transition(phase failurev1alpha1.Phase, reason string, seconds float64) failurev1alpha1.Transition {
	return failurev1alpha1.Transition{Phase: phase, Reason: reason, At: metav1.NewMicroTime(after(seconds))}
}

func evidence(signal, detail string, seconds float64) failurev1alpha1.Evidence {
	return failurev1alpha1.Evidence{Signal: signal, Detail: detail, At: metav1.NewMicroTime(after(seconds))}
}

func TestTellerTellsEachStepOnce(t *testing.T) {
	healthy := NodeSight{Name: "n1", Ready: true}
	teller := NewTeller(healthy, cut)
	type told struct {
		Seconds float64
		Kind    string
		Text    string
	}
	look := func(nf *failurev1alpha1.NodeFailure, events []corev1.Event, node NodeSight, now float64) []told {
		var got []told
		for _, s := range teller.News(nf, events, node, after(now)) {
			got = append(got, told{s.Seconds, s.Kind, s.Text})
		}
		return got
	}
	expect := func(what string, got, want []told) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	expect("nothing happened", look(nil, nil, healthy, 1), nil)

	nf := &failurev1alpha1.NodeFailure{}
	nf.Status.Transitions = []failurev1alpha1.Transition{transition(failurev1alpha1.PhaseSuspect, "LeaseStale", 25)}
	nf.Status.Evidence = []failurev1alpha1.Evidence{evidence("Lease", "unchanged for 25s", 24.9)}
	tainted := healthy
	tainted.Taints = []corev1.Taint{{Key: failurev1alpha1.TaintKey, Value: "x", Effect: corev1.TaintEffectNoSchedule}}
	events := []corev1.Event{event("Node", "n1", failover.ReasonSuspected, "Lease of n1 is stale; 25.9 s after the last sign of life", 25.1)}
	expect("suspect", look(nf, events, tainted, 25.2), []told{
		{24.9, "evidence", "Lease: unchanged for 25s"},
		{25, "phase", "Suspect (LeaseStale): Lease of n1 is stale"},
		{25.2, "taint", "taint virt-scheduler.io/node-failure=x:NoSchedule on"},
	})
	expect("the same again", look(nf, events, tainted, 26), nil)

	down := tainted
	down.Ready = false
	events = append(events,
		event("VirtualMachine", "vm-1", failover.ReasonVMSettled, "stays Failed", 31),
		event("VirtualMachine", "vm-2", failover.ReasonVMSettled, "stays Failed", 32), // the same of another VM
		event("Node", "n1", failover.ReasonOutOfService, "n1 is out of service", 50),
		event(failureKind, "nf-1", failover.ReasonOutOfService, "n1 is out of service", 50), // the same on another object
		event("Node", "n1", "Scheduled", "not the watcher's step", 50),
		event("Node", "n1", failover.ReasonPowerReadOff, "of an earlier failure", -30))
	expect("events", look(nf, events, down, 51), []told{
		{31, "event", "VMSettled vm-1: stays Failed"},
		{32, "event", "VMSettled vm-2: stays Failed"},
		{50, "event", "OutOfServiceTaintSet: n1 is out of service"},
		{51, "ready", "Ready no"},
	})

	nf.Status.Phase, nf.Status.Message = failurev1alpha1.PhaseRecovering, "VMs are followed"
	nf.Status.Transitions = append(nf.Status.Transitions, transition(failurev1alpha1.PhaseRecovering, "", 52))
	expect("a phase without an event", look(nf, events, down, 53), []told{{52, "phase", "Recovering: VMs are followed"}})

	expect("back", look(nf, events, healthy, 70), []told{
		{70, "ready", "Ready yes"},
		{70, "taint", "taint virt-scheduler.io/node-failure=x:NoSchedule off"},
	})
}

func TestEventTime(t *testing.T) {
	now := after(9)
	tests := map[string]struct {
		event corev1.Event
		want  time.Time
	}{
		"new API":  {corev1.Event{EventTime: metav1.NewMicroTime(after(1)), FirstTimestamp: metav1.NewTime(after(2))}, after(1)},
		"old API":  {corev1.Event{FirstTimestamp: metav1.NewTime(after(2))}, after(2)},
		"no times": {corev1.Event{}, now},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := eventTime(&tc.event, now); !got.Equal(tc.want) {
				t.Errorf("eventTime() = %s, want %s", got, tc.want)
			}
		})
	}
}
