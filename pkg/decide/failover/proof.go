// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"fmt"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// driverManual is the driver of a proof by an administrator's word.
const driverManual = "manual"

// proveByReadings turns two Off readings, the second of this very pass, into the proof. The launcher pods must have been
// recorded in the same pass, so that the record is complete when releases become possible.
func (s *pass) proveByReadings() bool {
	f := s.out.Fence
	if f == nil || len(f.OffReadings) < 2 || !s.power.off || f.OffReadings[1].At != s.power.record.At {
		return false
	}
	if !s.signs.stale || s.signs.rebooted || !s.recordedNow() {
		return false
	}
	kind, how := failurev1alpha1.ProofAlreadyOff, "without an action of ours"
	if f.IssuedAt != nil || f.Attempt > 1 {
		kind, how = failurev1alpha1.ProofPoweredOff, "after power-off "+f.ID
	}
	last := f.OffReadings[1]
	s.prove(kind, fmt.Sprintf("system %s at %s (UUID %s%s) read Off twice, %s apart, %s", last.SystemID, last.Endpoint,
		last.SystemUUID, overrideText(last, s.policy), last.At.Sub(f.OffReadings[0].At.Time), how))
	return true
}

// prove stores the proof of this incident; releases begin in a later pass, with the proof read back.
func (s *pass) prove(kind failurev1alpha1.ProofKind, detail string) {
	s.out.Fence.Proof = &failurev1alpha1.Proof{
		Kind: kind, At: s.now, NodeUID: s.spec.NodeUID, BootID: s.spec.BootID, Detail: shorten(detail, maxDetail),
	}
	s.calm("the machine is proved to be off")
	s.event(false, ReasonFenced, "node %s is proved to be off (%s): %s; %d launcher pods recorded; %s",
		s.spec.NodeName, kind, detail, len(s.out.VMs), s.elapsed())
	s.enter(failurev1alpha1.PhaseFenced, string(kind), detail)
}

// Proved reports whether a record holds a proof of exactly this incident. Nothing is released unless the stored one does.
func Proved(spec failurev1alpha1.NodeFailureSpec, stored failurev1alpha1.NodeFailureStatus) bool {
	if stored.Fence == nil || stored.Fence.Proof == nil {
		return false
	}
	proof := stored.Fence.Proof
	return proof.NodeUID == spec.NodeUID && proof.BootID == spec.BootID
}

// newFence names an attempt. The id is the same whoever computes it.
func (s *pass) newFence(attempt int32) *failurev1alpha1.Fence {
	return &failurev1alpha1.Fence{
		ID: fmt.Sprintf("%s-%d", s.spec.Incident, attempt), Driver: s.policy.DriverName, Attempt: attempt, RequestedAt: s.now,
	}
}

// token judges the administrator's word; it reports whether it became the proof.
func (s *pass) token() bool {
	token := s.obs.Token
	if token == "" {
		// Taken back: the next one is judged afresh.
		if s.out.RefusedToken != "" {
			s.out.RefusedToken = ""
			s.calm("the refused token was taken back", alarmTokenRefused)
		}
		return false
	}
	if s.in.RefusedToken == shorten(token, maxTokenSize) {
		return false
	}
	switch {
	case token != TokenFor(s.spec):
		s.refuse(token, "it names another incident; expected "+TokenFor(s.spec))
	case s.signs.rebooted:
		s.refuse(token, "the node has rebooted since")
	case s.signs.sameNode && s.signs.fresh:
		s.refuse(token, "the node's Lease is fresh: its kubelet lives")
	case s.in.Phase == failurev1alpha1.PhaseSuspect || !s.signs.confirmed || s.signs.ready:
		s.note(signalToken, "waits until the node is confirmed dead and no longer Ready")
	case !s.recordedNow():
		s.note(signalToken, "waits until the launcher pods are recorded")
	default:
		s.acceptToken()
		return true
	}
	return false
}

func (s *pass) acceptToken() {
	if s.out.Fence == nil {
		s.out.Fence = s.newFence(1)
		s.out.Fence.Driver = driverManual
	}
	s.note(signalToken, "accepted: %s", s.obs.Token)
	power := "power was not read"
	if last := lastOf(s.out.Evidence, signalPower); last != nil {
		power = "last power evidence: " + last.Detail
	}
	s.prove(failurev1alpha1.ProofManual, "an administrator confirmed by "+failurev1alpha1.AnnotationConfirmFenced+" that the machine is off; "+power)
}

// refuse reports a token once; the same token is not looked at again until it was taken away. What was said of a living
// node must not count when it dies later.
func (s *pass) refuse(token, why string) {
	s.out.RefusedToken = shorten(token, maxTokenSize)
	shown := shorten(token, maxTokenSize)
	s.note(signalToken, "refused: %s: %s", shown, why)
	s.raise(alarmTokenRefused, "the token "+shown+" was refused: "+why)
	s.event(true, ReasonTokenRefused, "node %s: the token %s in annotation %s was refused: %s; nothing was released",
		s.spec.NodeName, shown, failurev1alpha1.AnnotationConfirmFenced, why)
}

// refuseOfLiving refuses a token that is there while the node gives signs of life, or when there is nothing to confirm.
func (s *pass) refuseOfLiving() {
	if s.obs.Token != "" && s.in.RefusedToken != shorten(s.obs.Token, maxTokenSize) {
		s.refuse(s.obs.Token, "the node lives")
	}
}

// TokenFor is the token that confirms an incident.
func TokenFor(spec failurev1alpha1.NodeFailureSpec) string {
	return string(spec.NodeUID) + "/" + spec.BootID
}
