// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"fmt"
	"strings"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/identity"
)

// The powers that a driver reports.
const (
	powerOn  = "On"
	powerOff = "Off"
)

// reading is one reading of the BMC, judged.
type reading struct {
	// made: a reading was attempted in this pass.
	made bool
	// usable: it succeeded, the machine is the node's, and the driver may be believed. Only then on and off mean anything.
	usable  bool
	on, off bool
	// why is the reason for which it is not usable, in one word, and text the same for people.
	why, text string
	// mismatch: the machine is not, or not provably, the node's.
	mismatch bool
	record   failurev1alpha1.PowerReading
}

// Why a reading can't be used.
const (
	whyNoDriver    = "NoDriver"
	whyDisabled    = "DriverDisabled"
	whyUnreachable = "BMCUnreachable"
	whyNotRead     = "NotRead"
	whyStuck       = "PowerStuck"

	unreadable = "power can't be read: "
)

// judgeReading puts the identity before everything else: a reading of another machine says nothing about this node.
func judgeReading(spec failurev1alpha1.NodeFailureSpec, in failurev1alpha1.NodeFailureStatus, obs Observation, p Policy) reading {
	v := obs.Power
	r := reading{made: v.Attempted}
	switch {
	case !p.DriverConfigured:
		r.why, r.text = whyNoDriver, "no fencing driver is configured for the node (fencing.redfish)"
		return r
	case obs.DriverDisabled != "":
		r.why, r.text = whyDisabled, obs.DriverDisabled
		return r
	case Contradicted(in):
		r.why, r.text = whyDisabled, "the BMC said Off in this incident while the node was alive"
		return r
	case !v.Attempted:
		r.why, r.text = whyNotRead, "power was not read in this pass"
		return r
	case v.Err != "":
		r.why, r.text = whyUnreachable, unreadable+v.Err
		return r
	}
	r.record = failurev1alpha1.PowerReading{
		At: micro(v.At), Power: v.Power, SystemUUID: v.SystemUUID, SystemID: v.SystemID, Endpoint: v.Endpoint,
	}
	if verdict := identity.SameMachine(spec.SystemUUID, v.SystemUUID); verdict != identity.Same {
		if p.IdentityOverride == "" || identity.SameMachine(p.IdentityOverride, v.SystemUUID) != identity.Same {
			r.mismatch, r.why = true, alarmIdentity
			r.text = fmt.Sprintf("system %s at %s has UUID %s, node %s has %s: not the same machine, or not provably",
				v.SystemID, v.Endpoint, orNone(v.SystemUUID), spec.NodeName, orNone(spec.SystemUUID))
			return r
		}
		r.record.IdentityOverride = p.IdentityOverride
	}
	r.usable = true
	r.on, r.off = v.Power == powerOn, v.Power == powerOff
	return r
}

// countReading keeps evidence of this pass's reading and the Off readings in a row that count towards a proof.
func (s *pass) countReading() {
	if !s.power.made {
		return
	}
	r := s.power
	switch {
	case r.mismatch:
		s.mismatch()
	case !r.usable:
		s.noteUnusable()
	default:
		s.note(signalPower, "%s (system %s at %s, UUID %s%s)", r.record.Power, r.record.SystemID, r.record.Endpoint,
			r.record.SystemUUID, overrideText(r.record, s.policy))
		s.calm("the BMC is readable and the machine is the node's", alarmIdentity)
	}
	// Off counts only while the node has been silent for long enough to be believed dead.
	if !r.off || !s.signs.stale || s.signs.rebooted {
		if s.out.Fence != nil {
			s.out.Fence.OffReadings = nil
		}
		return
	}
	s.countOff()
}

// noteUnusable keeps the text of the first failed reading in a row: the next ones often differ in a port or a time only.
func (s *pass) noteUnusable() {
	text := s.power.text
	if last := lastOf(s.out.Evidence, signalPower); last != nil && s.power.why == whyUnreachable &&
		strings.HasPrefix(last.Detail, unreadable) {
		text = last.Detail
	}
	s.note(signalPower, "%s", text)
}

func (s *pass) countOff() {
	if s.out.Fence == nil {
		s.out.Fence = s.newFence(1)
	}
	f := s.out.Fence
	if len(f.OffReadings) > 0 && !sameSource(f.OffReadings[0], s.power.record) {
		f.OffReadings = nil
	}
	switch {
	case len(f.OffReadings) == 0:
		f.OffReadings = []failurev1alpha1.PowerReading{s.power.record}
		s.event(false, ReasonPowerReadOff, "node %s: system %s reads Off; read again in %s; %s",
			s.spec.NodeName, s.power.record.SystemID, s.policy.PowerReadInterval, s.elapsed())
	case s.power.record.At.Sub(f.OffReadings[0].At.Time) >= s.policy.PowerReadInterval:
		f.OffReadings = append(f.OffReadings[:1], s.power.record)
	}
}

// mismatch reports a machine that is not the node's, once for each that is met.
func (s *pass) mismatch() {
	old := lastOf(s.in.Evidence, signalIdentity)
	s.note(signalIdentity, "%s", s.power.text)
	if old == nil || old.Detail != shorten(s.power.text, maxDetail) {
		s.event(true, ReasonIdentityMismatch, "%s: no proof and no power action; check fencing.redfish", s.power.text)
	}
	s.raise(alarmIdentity, s.power.text)
}

func sameSource(a, b failurev1alpha1.PowerReading) bool {
	return a.SystemID == b.SystemID && a.Endpoint == b.Endpoint && a.SystemUUID == b.SystemUUID &&
		a.IdentityOverride == b.IdentityOverride
}

func overrideText(r failurev1alpha1.PowerReading, p Policy) string {
	if r.IdentityOverride == "" {
		return ""
	}
	return fmt.Sprintf(", accepted by identityOverride %s: %s", r.IdentityOverride, p.IdentityOverrideReason)
}
