// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// unfenced meets a node that renews its Lease in the very boot that was proved to be off: the proof was wrong, or about
// another machine. Every release stops at once, the taint stays, and a person is called. Only another boot ID, or the removal of this
// NodeFailure, ends it.
func (s *pass) unfenced() bool {
	was := conditionTrue(s.in, failurev1alpha1.ConditionUnfenced)
	switch {
	case was && !s.signs.rebooted:
		s.keepTaint()
		s.removeOutOfService()
		s.after(settleInterval)
		return true
	case was:
		s.condition(failurev1alpha1.ConditionUnfenced, metav1.ConditionFalse, unfencedRebooted, "the node has left the boot that was proved off")
		s.calm("the node has left the boot that was proved off", alarmUnfenced)
		return false
	case s.signs.sameNode && s.signs.beat && !s.signs.rebooted && (s.signs.ready || s.beatsOn()):
		s.alarmUnfenced()
		return true
	default:
		return false
	}
}

// alarmUnfenced stops everything and calls a person.
func (s *pass) alarmUnfenced() {
	text := "node " + s.spec.NodeName + " lives in the boot that was proved to be off (" + orNone(s.spec.BootID) + ")"
	s.condition(failurev1alpha1.ConditionUnfenced, metav1.ConditionTrue, unfencedSameBoot, text)
	s.raise(alarmUnfenced, text+": nothing more is released; make sure that no VM runs twice, then delete this NodeFailure")
	s.event(true, ReasonUnfenced, "%s: nothing more is released and the node stays out of scheduling; VMs may run twice: "+
		"compare its guests with their VMIs by hand, check fencing.redfish, then delete NodeFailure %s", text, ObjectName(s.spec))
	s.keepTaint()
	s.removeOutOfService()
	s.after(settleInterval)
}

// beatsOn: the Lease was renewed after the proof, and long enough ago for a kubelet that has just started to have told its new boot
// ID. Until then nothing is released, but nobody is called either.
func (s *pass) beatsOn() bool {
	const renewed = "renewed after the proof"
	old := lastOf(s.in.Evidence, signalLease)
	s.note(signalLease, renewed)
	s.after(settleInterval)
	return old != nil && old.Detail == renewed && s.now.Sub(old.At.Time) >= kubeletTime
}

// keepTaintProved keeps our taint on a node until it has been healthy for long enough, but never adds it to a later boot, which
// may be another incident's.
func (s *pass) keepTaintProved() {
	if s.out.ReturnedAt == nil {
		s.keepTaint()
	}
}

// marks puts the out-of-service taint on when it is due and takes ours off when it is not.
func (s *pass) marks() {
	switch {
	case !s.signs.sameNode || s.signs.ready || s.signs.alive():
		s.removeOutOfService()
	case !s.obs.Pods.Read || !s.in.Recorded:
		s.after(settleInterval)
	case s.outOfServiceDue():
		s.setOutOfService()
	default:
		s.removeOutOfService()
	}
}

// outOfServiceDue: the taint makes Kubernetes force-delete every pod and detach every volume of the node, in no order, so that it is
// only for a node that is proved off, not Ready, shows no life (marks has seen to these), and holds no guest on the move. It goes
// once nothing is left.
func (s *pass) outOfServiceDue() bool {
	for i := range s.out.VMs {
		if !released(&s.out.VMs[i]) {
			return false
		}
	}
	return podsLeft(s.obs.Pods) > 0 || s.obs.Pods.VolumeAttachments > 0
}

// setOutOfService stores the intention with the effect, so that after a crash in between the taint is known to be ours. One that
// is there without an intention is somebody else's.
func (s *pass) setOutOfService() {
	s.after(settleInterval)
	if s.obs.Node.OutOfService {
		return
	}
	if s.out.OutOfServiceAt == nil {
		at := s.now
		s.out.OutOfServiceAt = &at
		s.event(false, ReasonOutOfService, "node %s gets the out-of-service taint: %d launcher pods and %d volume attachments are left; %s",
			s.spec.NodeName, podsLeft(s.obs.Pods), s.obs.Pods.VolumeAttachments, s.elapsed())
	}
	s.effect(Effect{Kind: EffectOutOfService})
}

// removeOutOfService takes our out-of-service taint off until it is seen gone.
func (s *pass) removeOutOfService() {
	switch {
	case s.in.OutOfServiceAt == nil:
	case s.signs.sameNode && s.obs.Node.OutOfService:
		s.effect(Effect{Kind: EffectRemoveOutOfService})
		s.after(time.Second)
	default:
		s.out.OutOfServiceAt = nil
	}
}

// noteReturn follows the node itself: returned means Ready in another boot with a Lease that is renewed.
func (s *pass) noteReturn() {
	back := s.signs.rebooted && s.signs.ready && s.signs.beat && s.obs.Node.LeaseUnchangedFor < s.policy.LeaseStaleAfter
	switch {
	case back && s.out.ReturnedAt == nil:
		at := s.now
		s.out.ReturnedAt = &at
		s.event(false, ReasonReturned, "node %s is back with boot ID %s; it is taken in again after %s of health",
			s.spec.NodeName, s.obs.Node.BootID, s.policy.HealthyDelay)
	case !back && s.out.ReturnedAt != nil:
		s.note(signalReady, "Ready is %s after its return: its delay starts again", orNone(s.obs.Node.Ready))
		s.out.ReturnedAt = nil
	}
}

// leaveRecovering goes on when every VM is what was due.
func (s *pass) leaveRecovering() {
	if !AllSettled(s.out) {
		s.after(settleInterval)
		return
	}
	s.event(false, ReasonAllSettled, "node %s: all %d VMs are settled; %s", s.spec.NodeName, len(s.out.VMs), s.elapsed())
	s.enter(failurev1alpha1.PhaseReturning, "AllSettled", "every VM is what its runStrategy says; the node is awaited")
}

// leaveReturning closes the incident when the node has been healthy for long enough, or will not come back as this Node. Our
// out-of-service taint must have been seen gone before our NoSchedule taint goes.
func (s *pass) leaveReturning() {
	s.after(settleInterval)
	if s.out.OutOfServiceAt != nil {
		return
	}
	switch {
	case s.signs.gone || s.signs.replaced:
		s.finish("NodeGone", "the Node object is gone or another one")
	case s.signs.rebooted && !s.signs.ready && s.obs.Node.LeaseUnchangedFor >= s.policy.LeaseStaleAfter:
		s.finish("Superseded", "the node fell silent again in a later boot, which is another incident")
	case s.out.ReturnedAt != nil:
		left := s.policy.HealthyDelay - s.now.Sub(s.out.ReturnedAt.Time)
		if left > 0 {
			s.after(left)
			return
		}
		s.finish("Returned", "the node is back in service")
	}
}

func (s *pass) finish(reason, message string) {
	s.event(false, ReasonClosed, "node %s: %s", s.spec.NodeName, message)
	s.enter(failurev1alpha1.PhaseClosed, reason, message)
	if s.signs.sameNode && s.obs.Node.Tainted {
		s.effect(Effect{Kind: EffectUntaint})
	}
}
