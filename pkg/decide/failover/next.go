// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// pass is one call of Next. in is the stored record and is never written; out becomes the decision's Status.
type pass struct {
	spec   failurev1alpha1.NodeFailureSpec
	in     failurev1alpha1.NodeFailureStatus
	out    failurev1alpha1.NodeFailureStatus
	obs    Observation
	policy Policy
	now    metav1.MicroTime
	signs  signs
	power  reading

	effects []Effect
	events  []Event
	requeue time.Duration
}

// never is the RequeueAfter of an incident that waits for a change only.
const never = time.Duration(-1)

// settleInterval is how often VMs and marks are looked at while nothing reports a change.
const settleInterval = 5 * time.Second

// Next decides one pass over the incident spec, of which stored is the acknowledged status and obs what was seen in this
// pass. It never fails and is deterministic; calling it again with the stored result and the same observation adds nothing
// but the release effects that are still visibly to be done.
func Next(
	spec failurev1alpha1.NodeFailureSpec,
	stored failurev1alpha1.NodeFailureStatus,
	obs Observation,
	p Policy,
) Decision {
	s := &pass{
		spec: spec, in: stored, out: *stored.DeepCopy(), obs: obs, policy: p,
		now: micro(obs.Now), requeue: never,
	}
	if s.in.Phase == "" {
		// The object was created, but its first status was lost: the incident begins now, which is only later.
		s.out = firstStatus(obs.Node, obs.Now)
		s.in = *s.out.DeepCopy()
	}
	s.signs = readSigns(spec, s.in, obs.Node, obs.Now, p)
	s.power = judgeReading(spec, s.in, obs, p)
	s.step()
	s.count()
	return Decision{Status: s.out, Effects: s.effects, Events: s.events, RequeueAfter: s.requeue}
}

// step runs the phase's function. Each of them reads s.in.Phase's rules only: a phase entered in this pass acts in the next,
// once it is stored.
func (s *pass) step() {
	switch s.in.Phase {
	case failurev1alpha1.PhaseSuspect, failurev1alpha1.PhaseConfirmed, failurev1alpha1.PhaseFencing,
		failurev1alpha1.PhaseAwaitManual:
		s.unproved()
	case failurev1alpha1.PhaseFenced, failurev1alpha1.PhaseReleasing, failurev1alpha1.PhaseRecovering,
		failurev1alpha1.PhaseReturning:
		s.proved()
	case failurev1alpha1.PhaseClosed:
		s.closed()
	default:
		s.unknownPhase()
	}
}

// unproved is what the phases before the proof have in common: signs of life come first, then the readings and the token,
// then the phase's own step.
func (s *pass) unproved() {
	s.announce()
	s.noteSigns()
	if s.endUnproved() {
		return
	}
	s.keepTaint()
	if s.spec.ControlPlane {
		s.watchControlPlane()
		return
	}
	s.capture()
	s.countReading()
	if s.token() || s.proveByReadings() {
		return
	}
	switch s.in.Phase {
	case failurev1alpha1.PhaseSuspect:
		s.suspect()
	case failurev1alpha1.PhaseConfirmed:
		s.confirmed()
	case failurev1alpha1.PhaseFencing:
		s.fencing()
	case failurev1alpha1.PhaseAwaitManual:
		s.awaitManual()
	case failurev1alpha1.PhaseFenced, failurev1alpha1.PhaseReleasing, failurev1alpha1.PhaseRecovering,
		failurev1alpha1.PhaseReturning, failurev1alpha1.PhaseClosed:
		// Not reached: step sends these elsewhere.
	}
}

// unknownPhase meets a record written by a newer version or by hand: it is left alone.
func (s *pass) unknownPhase() {
	s.after(time.Minute)
	s.raise(alarmUnknownPhase, "phase "+string(s.in.Phase)+" is not known to this version: nothing is done; "+
		"run the version that wrote it, or delete this NodeFailure")
}

// closed repeats the removal of our taint until it is seen gone: the pass that closed the incident may have been the last
// before a crash.
func (s *pass) closed() {
	if s.obs.Token != "" && !Proved(s.spec, s.in) && s.in.RefusedToken != shorten(s.obs.Token, maxTokenSize) {
		s.refuse(s.obs.Token, "the incident is closed")
	}
	if s.signs.sameNode && s.obs.Node.Tainted {
		s.effect(Effect{Kind: EffectUntaint})
		s.after(settleInterval)
	}
}

// enter changes the phase, once per pass.
func (s *pass) enter(phase failurev1alpha1.Phase, reason, message string) {
	s.out.Reason, s.out.Message = reason, message
	if s.out.Phase == phase {
		return
	}
	s.out.Phase = phase
	s.out.Transitions = append(s.out.Transitions, failurev1alpha1.Transition{Phase: phase, At: s.now, Reason: reason})
	if over := len(s.out.Transitions) - maxEntries; over > 0 {
		s.out.Transitions = append(s.out.Transitions[:1], s.out.Transitions[1+over:]...)
	}
	s.requeue = 0
}

// after asks for another pass no later than d from now.
func (s *pass) after(d time.Duration) {
	if d < 0 {
		d = 0
	}
	if s.requeue == never || d < s.requeue {
		s.requeue = d
	}
}

// count fills the printed columns.
func (s *pass) count() {
	s.out.VMCount = int32(len(s.out.VMs)) //nolint:gosec // the record holds at most maxRecords entries
	s.out.VMsSettled = 0
	for i := range s.out.VMs {
		if s.out.VMs[i].State == failurev1alpha1.VMSettled {
			s.out.VMsSettled++
		}
	}
}

// micro is t as it reads back from the API server, so that a stored and a computed time compare equal.
func micro(t time.Time) metav1.MicroTime {
	return metav1.NewMicroTime(t.Truncate(time.Microsecond))
}
