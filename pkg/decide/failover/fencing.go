// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"time"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// suspect reads power until the machine is proved off (proveByReadings has looked already), the node lives, or it has been
// silent for ConfirmAfter. Not being Ready confirms nothing: the kubelet that says so is alive.
func (s *pass) suspect() {
	s.after(s.policy.PowerReadInterval)
	if !s.signs.confirmed || s.signs.rebooted {
		s.after(s.policy.ConfirmAfter - s.obs.Node.LeaseUnchangedFor)
		if s.requeue <= 0 {
			s.requeue = time.Second
		}
		return
	}
	s.note(signalLease, "unchanged for at least %s: %s", s.policy.ConfirmAfter, orNone(s.out.LeaseFingerprint))
	s.event(true, ReasonConfirmed, "node %s is confirmed dead: no sign of life for %s; %s", s.spec.NodeName, s.policy.ConfirmAfter, s.elapsed())
	s.enter(failurev1alpha1.PhaseConfirmed, "LeaseStale", "no sign of life for "+s.policy.ConfirmAfter.String())
}

// confirmed decides by this pass's reading whether the machine can be fenced, and stores the id under which it will be.
func (s *pass) confirmed() {
	if !s.recordedNow() {
		s.after(time.Second)
		return
	}
	if s.power.why == whyNotRead {
		s.after(time.Second)
		return
	}
	s.fenceOrWait()
}

// fenceOrWait enters Fencing when the machine's power is readable and says something, and AwaitManual when it is not. A machine
// whose Node is gone is no longer ours to act upon.
func (s *pass) fenceOrWait() {
	switch {
	case !s.power.usable:
		s.await(s.power.why, s.power.text)
	case s.power.off:
		// Two of them are the proof; the second is read from where we are.
		s.after(s.policy.PowerReadInterval)
	case s.signs.gone:
		s.await(alarmNodeDeleted, "the Node object is gone: its machine is not powered off by us")
	case !s.power.on && s.inPhaseFor() < s.policy.AttemptTimeout:
		s.after(s.policy.PowerReadInterval)
	case !s.power.on:
		s.await(whyStuck, s.stuckText())
	default:
		s.startFencing()
	}
}

// startFencing stores the id of the attempt to come. An attempt whose power-off is still out is waited for; one that was never
// issued keeps its id.
func (s *pass) startFencing() {
	old := s.in.Fence
	switch {
	case old == nil:
		s.out.Fence = s.newFence(1)
	case old.IssuedAt == nil:
		s.out.Fence = s.newFence(max(old.Attempt, 1))
	case s.now.Sub(old.IssuedAt.Time) < s.policy.AttemptTimeout:
		// Its Off is still awaited.
	case old.Attempt >= s.policy.MaxAttempts:
		s.await("AttemptsExhausted", "the machine stays On after every power-off")
		return
	default:
		s.out.Fence = s.newFence(old.Attempt + 1)
	}
	s.calm("the BMC can be used", alarmNoProof)
	s.enter(failurev1alpha1.PhaseFencing, "PowerOn", "the machine is On: it is powered off under fence id "+s.out.Fence.ID)
}

// fencing issues the power-off of the stored id once, then waits for Off; proveByReadings turns that into the proof.
func (s *pass) fencing() {
	s.after(s.policy.PowerReadInterval)
	f := s.in.Fence
	if f == nil {
		// Not written by this code; an id comes first.
		s.out.Fence = s.newFence(1)
		return
	}
	if s.signs.gone {
		s.await(alarmNodeDeleted, "the Node object is gone: its machine is not powered off by us")
		return
	}
	switch {
	case s.power.why == whyNoDriver || s.power.why == whyDisabled || s.power.mismatch:
		s.await(s.power.why, s.power.text)
	case f.IssuedAt == nil && s.mayIssue():
		s.issue(f)
	case s.now.Sub(attemptSince(f)) >= s.policy.AttemptTimeout:
		s.attemptOver(f)
	}
}

// attemptSince is when the attempt's time began.
func attemptSince(f *failurev1alpha1.Fence) time.Time {
	if f.IssuedAt != nil {
		return f.IssuedAt.Time
	}
	return f.RequestedAt.Time
}

// issue marks the id as used and asks for its power-off; both are in one decision, of which the mark is stored first.
func (s *pass) issue(f *failurev1alpha1.Fence) {
	at := s.now
	s.out.Fence.IssuedAt = &at
	s.effect(Effect{Kind: EffectPowerOff, FenceID: f.ID})
	s.event(true, ReasonPowerOffIssued, "node %s: power-off of system %s, fence id %s, attempt %d of %d; %s",
		s.spec.NodeName, s.power.record.SystemID, f.ID, f.Attempt, s.policy.MaxAttempts, s.elapsed())
}

// attemptOver decides by this pass's reading what comes after an attempt that brought no proof in its time.
func (s *pass) attemptOver(f *failurev1alpha1.Fence) {
	switch {
	case !s.power.made || s.power.off:
		// Nothing was read, or the second Off is about to be.
	case !s.power.usable:
		s.await(s.power.why, s.power.text)
	case !s.power.on:
		s.await(whyStuck, s.stuckText())
	case f.IssuedAt != nil:
		s.retry(f)
	}
}

func (s *pass) stuckText() string {
	return "power reads " + s.power.record.Power + " and becomes neither On nor Off"
}

// inPhaseFor is for how long the incident has been in its phase.
func (s *pass) inPhaseFor() time.Duration {
	if len(s.in.Transitions) == 0 {
		return 0
	}
	return s.now.Sub(s.in.Transitions[len(s.in.Transitions)-1].At.Time)
}

// mayIssue is the look before the id is marked as used; the glue looks once more (MayPowerOff) before it acts.
func (s *pass) mayIssue() bool {
	return s.power.usable && s.power.on && s.signs.sameNode && !s.signs.rebooted && s.signs.confirmed && !s.spec.ControlPlane
}

// retry stores a new id when the machine was seen On after the last one's time.
func (s *pass) retry(f *failurev1alpha1.Fence) {
	if f.Attempt >= s.policy.MaxAttempts {
		s.await("AttemptsExhausted", "the machine stays On after every power-off")
		return
	}
	s.out.Fence = s.newFence(f.Attempt + 1)
	s.event(true, ReasonFenceRetry, "node %s is still On %s after power-off %s: trying again under %s",
		s.spec.NodeName, s.policy.AttemptTimeout, f.ID, s.out.Fence.ID)
	s.requeue = 0
}

// await leaves the incident to an administrator, or to a BMC that becomes readable. Time alone never leaves it.
func (s *pass) await(reason, text string) {
	s.after(s.policy.PowerReadInterval)
	s.raiseNoProof(reason, text)
	if s.in.Phase == failurev1alpha1.PhaseAwaitManual {
		if s.in.Reason != reason {
			s.out.Reason, s.out.Message = reason, shorten(text, maxDetail)
		}
		return
	}
	s.event(true, ReasonAwaitManual, "node %s can't be proved to be off: %s; nothing is released until its BMC is readable or an administrator, "+
		"having made sure that the machine is off, runs: kubectl annotate nodefailure %s %s=%s; %s",
		s.spec.NodeName, text, ObjectName(s.spec), failurev1alpha1.AnnotationConfirmFenced, TokenFor(s.spec), s.elapsed())
	s.enter(failurev1alpha1.PhaseAwaitManual, reason, shorten(text, maxDetail))
}

// raiseNoProof keeps an alarm that says more than "no proof".
func (s *pass) raiseNoProof(reason, text string) {
	if conditionTrue(s.out, failurev1alpha1.ConditionAlarm) && alarmReason(s.out) != alarmNoProof {
		return
	}
	s.raise(alarmNoProof, reason+": "+text)
}

// awaitManual goes on reading power: Off twice is a proof, On can be fenced. Everything else leaves it where it is.
func (s *pass) awaitManual() {
	s.after(s.policy.PowerReadInterval)
	if s.power.why == whyNotRead {
		return
	}
	if !s.signs.confirmed || s.signs.rebooted || !s.recordedNow() {
		return
	}
	if f := s.in.Fence; s.power.on && f != nil && f.IssuedAt != nil && f.Attempt >= s.policy.MaxAttempts &&
		s.now.Sub(f.IssuedAt.Time) >= s.policy.AttemptTimeout {
		s.await("AttemptsExhausted", "the machine stays On after every power-off")
		return
	}
	s.fenceOrWait()
}

// watchControlPlane only observes: a control-plane node is never fenced and nothing of it released in this version.
func (s *pass) watchControlPlane() {
	s.after(s.policy.ConfirmAfter)
	const text = "it is a control-plane node, which this version neither fences nor releases; see to it by hand"
	if s.raise(alarmControlPlane, "node "+s.spec.NodeName+" failed: "+text) && !s.signs.gone {
		s.event(true, ReasonControlPlane, "node %s: %s", s.spec.NodeName, text)
	}
	if s.obs.Token != "" && s.in.RefusedToken != shorten(s.obs.Token, maxTokenSize) {
		s.refuse(s.obs.Token, "this version releases nothing of a control-plane node")
	}
	if s.signs.confirmed && s.in.Phase == failurev1alpha1.PhaseSuspect {
		s.enter(failurev1alpha1.PhaseAwaitManual, alarmControlPlane, text)
	}
}

// MayPowerOff is the last look before the power action of fenceID, by a reading made for it: why says what forbids it.
// stored is the record as the API server acknowledged it.
func MayPowerOff(
	spec failurev1alpha1.NodeFailureSpec, stored failurev1alpha1.NodeFailureStatus, fresh Observation, p Policy, fenceID string,
) (ok bool, why string) {
	sg := readSigns(spec, stored, fresh.Node, fresh.Now, p)
	r := judgeReading(spec, stored, fresh, p)
	switch {
	case spec.ControlPlane:
		return false, "it is a control-plane node"
	case stored.Phase != failurev1alpha1.PhaseFencing:
		return false, "the incident is in phase " + string(stored.Phase)
	case stored.Fence == nil || stored.Fence.ID != fenceID || stored.Fence.IssuedAt == nil:
		return false, "fence id " + fenceID + " is not stored as issued"
	case stored.Fence.Proof != nil:
		return false, "there is a proof already"
	case !sg.sameNode:
		return false, "the Node object is gone or another one"
	case sg.rebooted:
		return false, "the node has rebooted"
	case sg.beat:
		return false, "the node's Lease was renewed"
	case !sg.confirmed:
		return false, "the node's Lease has not been seen unchanged for " + p.ConfirmAfter.String()
	case !r.usable:
		return false, r.text
	case !r.on:
		return false, "power reads " + r.record.Power
	default:
		return true, ""
	}
}

func alarmReason(status failurev1alpha1.NodeFailureStatus) string {
	for _, c := range status.Conditions {
		if c.Type == failurev1alpha1.ConditionAlarm {
			return c.Reason
		}
	}
	return ""
}
