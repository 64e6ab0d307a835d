// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// signs is what a pass says about the node's life, judged against the stored record. Times written by the node are never
// compared with a clock: only that something changed counts.
type signs struct {
	// sameNode: the Node object of the incident is there. replaced: another one bears its name. gone: there is none.
	sameNode, replaced, gone bool
	// beat: the Lease reads otherwise than in the record: somebody renewed it since.
	beat bool
	// ready: Ready is True (which lags behind by up to the grace period of Kubernetes).
	ready bool
	// otherBoot: whatever bears the node's name tells another boot ID than the incident's. rebooted: the node itself does. Unknown boot IDs
	// are never taken for a reboot.
	otherBoot, rebooted bool
	// stale: unchanged for LeaseStaleAfter; confirmed: unchanged for ConfirmAfter. Both mean the record's Lease.
	stale, confirmed bool
	// fresh: this watcher saw it change within LeaseStaleAfter. Neither fresh nor stale means that it has not watched for long.
	fresh bool
}

func readSigns(spec failurev1alpha1.NodeFailureSpec, in failurev1alpha1.NodeFailureStatus, node NodeView, now time.Time, p Policy) signs {
	s := lifeSigns(spec, in, node)
	s.fresh = node.Exists && (s.beat || !node.LeaseLastChange.IsZero()) && node.LeaseUnchangedFor < p.LeaseStaleAfter
	quiet := node.LeaseUnchangedFor
	if last := cmp.Or(in.LastSeenAliveAt, in.SuspectedAt); s.gone && last != nil {
		// The Lease goes with its Node, so that nothing is left to watch. A machine without a Node is never acted upon.
		quiet = max(quiet, now.Sub(last.Time))
	}
	s.stale = !s.beat && quiet >= p.LeaseStaleAfter
	s.confirmed = !s.beat && quiet >= p.ConfirmAfter
	return s
}

// lifeSigns are the signs that need no clock: what has changed since the record.
func lifeSigns(spec failurev1alpha1.NodeFailureSpec, in failurev1alpha1.NodeFailureStatus, node NodeView) signs {
	s := signs{
		gone:     !node.Exists,
		sameNode: node.Exists && node.UID == spec.NodeUID,
		replaced: node.Exists && node.UID != spec.NodeUID,
	}
	s.beat = node.LeaseFingerprint != "" && node.LeaseFingerprint != in.LeaseFingerprint
	s.ready = s.sameNode && node.Ready == ready
	s.otherBoot = node.Exists && node.BootID != "" && spec.BootID != "" && node.BootID != spec.BootID
	s.rebooted = s.sameNode && s.otherBoot
	return s
}

// alive: something has shown life under the node's name since the record. After the proof that is, in the best case, the next boot: the
// guests of the proved one are gone all the same, but a recorded pod that had never started could be starting now.
func (s signs) alive() bool {
	return s.beat || s.rebooted || s.replaced
}

// provedBootMayLive: the life may be that of the very boot that was proved to have ended, and so may its guests. Only another boot ID
// says that it is not.
func (s signs) provedBootMayLive() bool {
	return s.alive() && !s.otherBoot
}

// ready is the Ready condition's status of a node that works; nodeGone is the evidence of one that was deleted.
const (
	ready    = "True"
	nodeGone = "the Node object does not exist"
)

// Suspicious reports whether an incident is to be opened for a node, and why in one word. A node that has never been Ready is
// being installed and is left alone, and so is one that does not exist. Ready "False" is the kubelet's own word. "Unknown" is not: Kubernetes'
// node lifecycle controller concludes it from the same Lease, by a watch that may lie a minute behind once the API server was away; what
// the watcher itself sees of the Lease is the better witness, and says the same 25 s earlier when the node is dead.
func Suspicious(node NodeView, p Policy) (reason string, yes bool) {
	switch {
	case !node.Exists || node.NeverReady:
		return "", false
	case node.LeaseUnchangedFor >= p.LeaseStaleAfter:
		return "LeaseStale", true
	case node.Ready == "False":
		return "NotReady", true
	default:
		return "", false
	}
}

// announce publishes the incident in its first pass, which is the one that finds no evidence in the record.
func (s *pass) announce() {
	if len(s.in.Evidence) > 0 {
		return
	}
	n := s.obs.Node
	s.note(signalLease, "unchanged for %s; last: %s", n.LeaseUnchangedFor.Round(time.Second), n.LeaseFingerprint)
	s.event(true, ReasonSuspected, "node %s is suspected dead (Ready %s, Lease unchanged for %.1f s): no new pods for it, its power is read; %s",
		s.spec.NodeName, orNone(n.Ready), n.LeaseUnchangedFor.Seconds(), s.elapsed())
}

// noteSigns keeps evidence of what changed about the node.
func (s *pass) noteSigns() {
	switch {
	case s.signs.gone:
		s.note(signalNode, nodeGone)
	case s.signs.replaced:
		s.note(signalNode, "the Node object has UID %s, the incident's was %s", s.obs.Node.UID, s.spec.NodeUID)
	default:
		s.note(signalReady, "Ready is %s", orNone(s.obs.Node.Ready))
		if s.signs.rebooted {
			s.note(signalNode, "the boot ID is %s, the incident's was %s", s.obs.Node.BootID, s.spec.BootID)
		}
	}
	if s.obs.Node.Tainted && s.out.TaintedAt == nil {
		at := s.now
		s.out.TaintedAt = &at
	}
}

// endUnproved ends an incident without proof when the node shows that there is nothing to do, and takes a beat of a node that
// is not Ready for what it is: a living kubelet, for which nothing may be confirmed.
func (s *pass) endUnproved() bool {
	switch {
	case s.signs.replaced:
		s.event(true, ReasonClosed, "node %s was deleted and registered again before any proof: nothing was released", s.spec.NodeName)
		s.enter(failurev1alpha1.PhaseClosed, "NodeReplaced", "another Node object bears the name; nothing was released")
		return true
	case s.signs.gone:
		return s.nodeDeleted()
	case s.signs.rebooted && s.signs.ready:
		s.close("Rebooted", "the node is Ready after a reboot; its kubelet ends the pods of the earlier boot")
		return true
	case s.signs.rebooted && s.signs.stale:
		s.close("Superseded", "the node fell silent again in a later boot, which is another incident")
		return true
	case s.signs.beat:
		return s.beat()
	default:
		return false
	}
}

// beat handles a renewed Lease in the boot of the incident, before a proof.
func (s *pass) beat() bool {
	n := s.obs.Node
	s.refuseOfLiving()
	if n.LeaseUnchangedFor < s.policy.LeaseStaleAfter && s.signs.ready {
		s.contradiction()
		s.close("Recovered", "the node is Ready and renews its Lease")
		return true
	}
	s.contradiction()
	s.note(signalLease, "renewed although the node is not Ready")
	s.out.LeaseFingerprint = n.LeaseFingerprint
	at := s.now
	s.out.LastSeenAliveAt = &at
	if s.out.Fence != nil {
		s.out.Fence.OffReadings = nil
	}
	s.keepTaint()
	if s.in.Phase != failurev1alpha1.PhaseSuspect {
		s.calm("the kubelet renews its Lease", alarmNoProof)
		s.enter(failurev1alpha1.PhaseSuspect, "LeaseRenewed", "the kubelet lives although the node is not Ready: not confirmed dead")
	}
	s.after(s.policy.PowerReadInterval)
	return true
}

// contradiction raises the alarm when the BMC said Off of a machine that now turns out to have been alive all along.
func (s *pass) contradiction() {
	f := s.in.Fence
	if f == nil || len(f.OffReadings) == 0 || s.signs.rebooted {
		s.calm("the node lives", alarmNoProof, alarmIdentity)
		return
	}
	r := f.OffReadings[len(f.OffReadings)-1]
	text := fmt.Sprintf("system %s at %s said Off while node %s was alive: this BMC must not be believed; check fencing.redfish",
		r.SystemID, r.Endpoint, s.spec.NodeName)
	s.note(signalPower, "%s", text)
	if s.raise(alarmContradicted, text) {
		s.event(true, ReasonOffWhileAlive, "%s", text)
	}
}

// Contradicted reports whether the BMC said Off of a node that was alive: the glue then disables the driver for it.
func Contradicted(status failurev1alpha1.NodeFailureStatus) bool {
	for _, c := range status.Conditions {
		if c.Type == failurev1alpha1.ConditionAlarm && c.Reason == alarmContradicted && c.Status == "True" {
			return true
		}
	}
	return false
}

// close ends an incident that never had a proof, and takes our taint off.
func (s *pass) close(reason, message string) {
	s.event(false, ReasonRecovered, "node %s: %s; nothing was released", s.spec.NodeName, message)
	s.enter(failurev1alpha1.PhaseClosed, reason, message)
	if s.signs.sameNode && s.obs.Node.Tainted {
		s.effect(Effect{Kind: EffectUntaint})
	}
}

// nodeDeleted handles the absence of the Node before a proof. Kubernetes releases the pods of a deleted Node within 80 s with no
// proof at all; all that can be done here is to say so, and to go on looking for a proof without ever acting on the machine.
func (s *pass) nodeDeleted() bool {
	s.raise(alarmNodeDeleted, "the Node object was deleted without a proof that the machine is off: Kubernetes releases its pods by itself")
	if old := lastOf(s.in.Evidence, signalNode); old == nil || old.Detail != nodeGone {
		s.event(true, ReasonNodeDeleted, "node %s was deleted without a proof that the machine is off: Kubernetes releases its pods by itself, "+
			"and its VMs may run twice; make sure that the machine is off", s.spec.NodeName)
	}
	if !s.obs.Pods.Read || podsLeft(s.obs.Pods) > 0 {
		return false
	}
	s.event(true, ReasonClosed, "node %s: its Node object and its launcher pods are gone; nothing was released by us", s.spec.NodeName)
	s.enter(failurev1alpha1.PhaseClosed, "NodeDeleted", "the Node object and its launcher pods are gone; nothing was released by us")
	return true
}

// keepTaint asks for our taint until it is seen.
func (s *pass) keepTaint() {
	if s.signs.sameNode && !s.obs.Node.Tainted && !s.signs.rebooted {
		s.effect(Effect{Kind: EffectTaint})
		s.after(settleInterval)
	}
}

func orNone(s string) string {
	if strings.TrimSpace(s) == "" {
		return "none"
	}
	return s
}
