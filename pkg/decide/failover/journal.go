// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// The bounds of the record, as the CRD has them.
const (
	maxEntries   = 64
	maxRecords   = 1000
	maxDetail    = 512
	maxOutcome   = 256
	maxTokenSize = 256
	maxMessage   = 1024
)

// The signals of evidence.
const (
	signalLease    = "Lease"
	signalReady    = "Ready"
	signalPower    = "Power"
	signalIdentity = "Identity"
	signalNode     = "Node"
	signalToken    = "Token"
)

// The reasons of the Alarm condition.
const (
	alarmUnknownPhase   = "UnknownPhase"
	alarmIdentity       = "IdentityMismatch"
	alarmContradicted   = "OffWhileAlive"
	alarmControlPlane   = "ControlPlane"
	alarmNodeDeleted    = "NodeDeleted"
	alarmNoProof        = "NoProof"
	alarmTokenRefused   = "TokenRefused"
	alarmTooManyPods    = "TooManyPods"
	alarmUnfenced       = "AliveAfterProof"
	alarmNone           = "NoAlarm"
	unfencedRebooted    = "Rebooted"
	unfencedSameBoot    = "SameBootID"
	evidenceKeptAtFront = 16
)

func (s *pass) effect(e Effect) { s.effects = append(s.effects, e) }

func (s *pass) event(warning bool, reason, format string, args ...any) {
	s.events = append(s.events, Event{Warning: warning, Reason: reason, Note: fmt.Sprintf(format, args...)})
}

func (s *pass) vmEvent(r *failurev1alpha1.VMRecord, warning bool, reason, format string, args ...any) {
	s.events = append(s.events, Event{
		Warning: warning, Reason: reason, Note: fmt.Sprintf(format, args...),
		VM: &VMRef{Namespace: r.Namespace, Name: r.Name, VMUID: r.VMUID, VMIUID: r.VMIUID},
	})
}

// elapsed says how long after the last sign of life it is, for people.
func (s *pass) elapsed() string {
	if s.in.LastSeenAliveAt == nil {
		return "the watcher never saw the node alive"
	}
	return fmt.Sprintf("%.1f s after the last sign of life", s.obs.Now.Sub(s.in.LastSeenAliveAt.Time).Seconds())
}

// note adds evidence; what equals the last of its signal is folded into it.
func (s *pass) note(signal, format string, args ...any) {
	detail := shorten(fmt.Sprintf(format, args...), maxDetail)
	if last := lastOf(s.out.Evidence, signal); last != nil && last.Detail == detail {
		s.fold(last)
		return
	}
	s.out.Evidence = append(s.out.Evidence, failurev1alpha1.Evidence{At: s.now, Signal: signal, Detail: detail})
	if over := len(s.out.Evidence) - maxEntries; over > 0 {
		// How it began and how it stands are worth more than the middle.
		keep := s.out.Evidence[:evidenceKeptAtFront:evidenceKeptAtFront]
		s.out.Evidence = append(keep, s.out.Evidence[evidenceKeptAtFront+over:]...)
	}
}

// fold counts a repetition. Every count is a write of the record, and a write wakes the next pass, so that repetitions are
// counted at most once per reading interval and ever more seldom the longer they go on.
func (s *pass) fold(e *failurev1alpha1.Evidence) {
	last := e.At
	if e.LastAt != nil {
		last = *e.LastAt
	}
	pause := max(s.policy.PowerReadInterval, last.Sub(e.At.Time)/8)
	if s.now.Sub(last.Time) < pause {
		return
	}
	at := s.now
	e.LastAt = &at
	e.Count = max(e.Count, 1) + 1
}

func lastOf(list []failurev1alpha1.Evidence, signal string) *failurev1alpha1.Evidence {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Signal == signal {
			return &list[i]
		}
	}
	return nil
}

// raise sets the Alarm condition and reports whether it is news. That a BMC contradicted itself is what makes it disbelieved
// for the rest of the incident, so that only worse news take its place.
func (s *pass) raise(reason, message string) bool {
	if Contradicted(s.out) && reason != alarmContradicted && reason != alarmUnfenced {
		return false
	}
	return s.condition(failurev1alpha1.ConditionAlarm, metav1.ConditionTrue, reason, message)
}

// calm takes the alarm back, whatever it was about, or only when it was about one of reasons.
func (s *pass) calm(why string, reasons ...string) {
	c := meta.FindStatusCondition(s.out.Conditions, failurev1alpha1.ConditionAlarm)
	if c == nil || c.Status != metav1.ConditionTrue {
		return
	}
	if len(reasons) > 0 && !slices.Contains(reasons, c.Reason) {
		return
	}
	s.condition(failurev1alpha1.ConditionAlarm, metav1.ConditionFalse, alarmNone, why)
}

// condition reports whether status or reason changed; a message alone is updated quietly.
func (s *pass) condition(kind string, status metav1.ConditionStatus, reason, message string) bool {
	old := meta.FindStatusCondition(s.out.Conditions, kind)
	news := old == nil || old.Status != status || old.Reason != reason
	meta.SetStatusCondition(&s.out.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: shorten(message, maxMessage),
		LastTransitionTime: metav1.NewTime(s.obs.Now.Truncate(time.Second)),
	})
	return news
}

func conditionTrue(status failurev1alpha1.NodeFailureStatus, kind string) bool {
	return meta.IsStatusConditionTrue(status.Conditions, kind)
}

// shorten cuts text to at most limit bytes at a rune's border: the CRD's limits are in characters, so bytes are on the safe side.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const mark = "..."
	cut := limit - len(mark)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}
