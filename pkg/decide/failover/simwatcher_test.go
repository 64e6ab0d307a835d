// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// failer is what a violated invariant is reported to.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// simWatcher is the glue around Next, as doc.go describes it: read, decide, store, then apply. It checks the invariants on
// every decision, whether it is stored or not, and on every effect against what really runs.
type simWatcher struct {
	t      failer
	w      *world
	policy Policy
	open   bool
	spec   failurev1alpha1.NodeFailureSpec
	stored failurev1alpha1.NodeFailureStatus
	wakeAt time.Time
	issued map[string]bool // fence ids whose PowerOff was decided and stored
	closed []failurev1alpha1.NodeFailureStatus
	events map[string]int
	passes int
	// between, when set, lets something happen between the decision and each of its effects.
	between func()
	refused map[string]int // releases that the last look refused, by reason
	// nextStep is Next; the mutation test plants bugs here.
	next func(failurev1alpha1.NodeFailureSpec, failurev1alpha1.NodeFailureStatus, Observation, Policy) Decision
}

func newSimWatcher(t failer, w *world) *simWatcher {
	return &simWatcher{t: t, w: w, policy: testPolicy(), issued: map[string]bool{}, events: map[string]int{}, refused: map[string]int{}, next: Next}
}

// fault is what goes wrong in one pass.
type fault int

const (
	faultNone       fault = iota
	faultStoreFails       // the status is not acknowledged: nothing else happens
	faultCrash            // acknowledged, then the watcher dies before its effects
	faultCrashMidway
)

// pass is one reconcile.
func (s *simWatcher) pass(f fault) {
	s.t.Helper()
	s.passes++
	if !s.open {
		view := s.w.nodeView()
		view.Tainted = false
		if _, yes := Suspicious(view, s.policy); !yes {
			return
		}
		s.spec, s.stored = Open(view, "n1", s.w.now)
		s.open, s.issued = true, map[string]bool{}
		s.w.node.tainted = false // the taint bears the incident: an older one is not this one's
		s.w.token = ""
	}
	obs := s.w.observe(NeedsOf(s.spec, s.stored, s.policy))
	in := *s.stored.DeepCopy()
	d := s.next(s.spec, s.stored, obs, s.policy)
	if !reflect.DeepEqual(in, s.stored) {
		s.t.Fatalf("Next wrote into the stored record:\n%s", cmp.Diff(in, s.stored))
	}
	if again := s.next(s.spec, s.stored, obs, s.policy); !reflect.DeepEqual(d, again) {
		s.t.Fatalf("Next is not deterministic:\n%s", cmp.Diff(d, again))
	}
	s.check(in, d, obs)
	if f == faultStoreFails {
		s.wakeAt = s.w.now.Add(time.Second)
		return
	}
	s.stored = d.Status
	for _, e := range d.Events {
		s.events[e.Reason]++
	}
	effects := d.Effects
	for _, e := range effects {
		if e.Kind == EffectPowerOff {
			if s.issued[e.FenceID] {
				s.t.Fatalf("a second PowerOff under fence id %s", e.FenceID)
			}
			s.issued[e.FenceID] = true
		}
	}
	switch f {
	case faultCrash:
		effects = nil
		s.restart()
	case faultCrashMidway:
		effects = effects[:len(effects)/2]
		s.restart()
	case faultNone, faultStoreFails:
	}
	for _, e := range effects {
		if s.between != nil {
			s.between()
		}
		s.apply(e)
	}
	s.wakeAt = s.w.now.Add(d.RequeueAfter)
	if d.RequeueAfter < 0 {
		s.wakeAt = s.w.now.Add(24 * time.Hour)
	}
	if Finished(s.stored) && !s.w.node.tainted {
		s.closed = append(s.closed, s.stored)
		s.open = false
	}
}

// restart makes the watcher forget what it only saw.
func (s *simWatcher) restart() {
	s.w.watchSince = s.w.now
	s.w.seenLease, s.wakeAt = s.w.node.lease, s.w.now
}

// check holds the invariants of one decision against the record it was made from.
func (s *simWatcher) check(in failurev1alpha1.NodeFailureStatus, d Decision, obs Observation) {
	s.t.Helper()
	out := d.Status
	recorded := map[types.UID]bool{}
	for i := range in.VMs {
		recorded[in.VMs[i].PodUID] = true
		if left := in.VMs[i].Leftover; left != nil {
			recorded[left.UID] = true
		}
	}
	releasing := slices.Contains([]failurev1alpha1.Phase{
		failurev1alpha1.PhaseReleasing, failurev1alpha1.PhaseRecovering, failurev1alpha1.PhaseReturning,
	}, in.Phase)
	mayRelease := in.Fence != nil && in.Fence.Proof != nil && in.Fence.Proof.NodeUID == s.spec.NodeUID &&
		in.Fence.Proof.BootID == s.spec.BootID && in.Recorded && releasing
	for _, e := range d.Effects {
		switch e.Kind {
		case EffectDeletePod:
			if !mayRelease || !recorded[e.Pod.UID] {
				s.t.Fatalf("pod %s released without stored proof, record or phase: %s", e.Pod.UID, describe(in))
			}
		case EffectOutOfService:
			if !mayRelease || !obs.Node.Exists || obs.Node.UID != s.spec.NodeUID || obs.Node.Ready == "True" || out.OutOfServiceAt == nil {
				s.t.Fatalf("out-of-service on a node Ready=%q without right: %s", obs.Node.Ready, describe(in))
			}
		case EffectRemoveOutOfService:
			if in.OutOfServiceAt == nil {
				s.t.Fatalf("somebody else's out-of-service taint is taken off")
			}
		case EffectPowerOff:
			if in.Phase != failurev1alpha1.PhaseFencing || in.Fence == nil || in.Fence.ID != e.FenceID || in.Fence.IssuedAt != nil ||
				out.Fence.IssuedAt == nil {
				s.t.Fatalf("power-off %s is not of the stored fence: %s", e.FenceID, describe(in))
			}
		case EffectUntaint:
			if out.Phase != failurev1alpha1.PhaseClosed || out.OutOfServiceAt != nil && obs.Node.Exists {
				s.t.Fatalf("untaint in phase %s with OutOfServiceAt %v", out.Phase, out.OutOfServiceAt)
			}
		case EffectTaint:
			if out.Phase == failurev1alpha1.PhaseClosed {
				s.t.Fatalf("taint on a closed incident")
			}
		}
	}
	s.checkProof(in, out, obs)
	if len(out.Evidence) > maxEntries || len(out.Transitions) > maxEntries || out.Fence != nil && len(out.Fence.OffReadings) > 2 {
		s.t.Fatalf("the record outgrows its bounds: %d evidence, %d transitions", len(out.Evidence), len(out.Transitions))
	}
	if in.Phase == failurev1alpha1.PhaseAwaitManual && out.Phase != in.Phase {
		readable := obs.Power.Attempted && obs.Power.Err == "" && obs.Power.SystemUUID == testUUID && obs.DriverDisabled == ""
		life := !obs.Node.Exists || obs.Node.UID != s.spec.NodeUID || obs.Node.LeaseFingerprint != in.LeaseFingerprint || obs.Node.BootID != s.spec.BootID
		if !readable && !life && obs.Token != TokenFor(s.spec) {
			s.t.Fatalf("time alone left AwaitManual for %s: %s", out.Phase, describe(in))
		}
	}
}

// checkProof: a proof never changes, names this incident, and when it is made the machine really is off.
func (s *simWatcher) checkProof(in, out failurev1alpha1.NodeFailureStatus, obs Observation) {
	s.t.Helper()
	var before, after *failurev1alpha1.Proof
	if in.Fence != nil {
		before = in.Fence.Proof
	}
	if out.Fence != nil {
		after = out.Fence.Proof
	}
	switch {
	case before != nil:
		if !reflect.DeepEqual(before, after) {
			s.t.Fatalf("the proof changed:\n%s", cmp.Diff(before, after))
		}
	case after != nil:
		if s.w.host.on || after.NodeUID != s.spec.NodeUID || after.BootID != s.spec.BootID || !out.Recorded {
			s.t.Fatalf("proof %+v with the machine on=%v, recorded=%v", after, s.w.host.on, out.Recorded)
		}
		if obs.Node.Exists && obs.Node.LeaseFingerprint != in.LeaseFingerprint {
			s.t.Fatalf("proof in a pass that saw the Lease renewed")
		}
	}
}

// apply does what the glue does, and looks whether it was right in truth.
func (s *simWatcher) apply(e Effect) {
	s.t.Helper()
	w := s.w
	switch e.Kind {
	case EffectTaint:
		w.node.tainted = w.node.exists
	case EffectUntaint:
		w.node.tainted = false
	case EffectOutOfService:
		if !s.mayRelease(e) {
			return
		}
		if !w.node.exists || w.node.ready == "True" || w.connected() && w.node.renewedAt.After(s.provedAt()) {
			s.t.Fatalf("out-of-service on a node that is gone, Ready=%q, or lives", w.node.ready)
		}
		w.node.oos = true
	case EffectRemoveOutOfService:
		w.node.oos = false
	case EffectPowerOff:
		s.powerOff(e.FenceID)
	case EffectDeletePod:
		if !s.mayRelease(e) {
			return
		}
		for _, vm := range w.vms {
			pod := vm.pods["n1"]
			if pod == nil || pod.uid != e.Pod.UID {
				s.deleteLeftover(vm, e.Pod.UID)
				continue
			}
			if vm.running["n1"] {
				s.t.Fatalf("pod of %s released while its guest runs on n1", vm.name)
			}
			if w.connected() && w.node.renewedAt.After(s.provedAt()) {
				s.t.Fatalf("pod of %s released while the kubelet of n1 lives, which could be starting it", vm.name)
			}
			held := w.now.Sub(s.provedAt()) < s.policy.MigrationTimeout
			if vm.node == "n1" && vm.running["n2"] && held {
				s.t.Fatalf("source pod of %s released while its guest is at the target and the API does not know", vm.name)
			}
			delete(vm.pods, "n1")
		}
	}
}

func (s *simWatcher) provedAt() time.Time { return s.stored.Fence.Proof.At.Time }

// mayRelease is the glue's last look: the record, the node and the pod as they are at the moment of the write.
func (s *simWatcher) mayRelease(e Effect) bool {
	s.t.Helper()
	stored := &failurev1alpha1.NodeFailure{Spec: s.spec, Status: s.stored}
	look := LastLook{Stored: stored, Node: s.w.nodeView()}
	for _, vm := range s.w.vms {
		for node, pod := range vm.pods {
			if pod != nil && pod.uid == e.Pod.UID {
				look.Pod = LauncherView{UID: pod.uid, Node: node, Ended: pod.finished}
			}
		}
	}
	if e.Kind == EffectDeletePod && look.Pod.UID == "" {
		return false // it is gone already
	}
	ok, why := MayRelease(e, look)
	switch {
	case !ok && why == "":
		s.t.Fatalf("MayRelease refuses without a reason")
	case !ok && s.between == nil:
		s.t.Fatalf("%s was decided on what MayRelease refuses: %s: %s", e.Kind, why, describe(s.stored))
	case !ok:
		s.refused[why]++
	}
	return ok
}

func (s *simWatcher) powerOff(id string) {
	s.t.Helper()
	w := s.w
	fresh := w.observe(Needs{Power: true})
	ok, why := MayPowerOff(s.spec, s.stored, fresh, s.policy, id)
	if !ok {
		if why == "" {
			s.t.Fatalf("MayPowerOff refuses without a reason")
		}
		return
	}
	m, _ := w.served()
	if m != &w.host {
		s.t.Fatalf("another machine is powered off")
	}
	if w.connected() && !w.host.netBroken && w.now.Sub(w.node.renewedAt) < s.policy.ConfirmAfter {
		s.t.Fatalf("a living node is powered off")
	}
	w.poweredOff = append(w.poweredOff, id)
	m.goesOffAt = w.now.Add(4 * time.Second)
}

// describe is a record in one line.
func describe(s failurev1alpha1.NodeFailureStatus) string {
	text := fmt.Sprintf("phase %s (%s: %s), recorded %v, %d VMs, lease %s", s.Phase, s.Reason, s.Message, s.Recorded, len(s.VMs), s.LeaseFingerprint)
	if s.Fence != nil {
		text += fmt.Sprintf(", fence %s issued %v, %d off, proof %v", s.Fence.ID, s.Fence.IssuedAt, len(s.Fence.OffReadings), s.Fence.Proof != nil)
	}
	return text
}

// deleteLeftover deletes a pod on a node that did not fail: it must have ended.
func (s *simWatcher) deleteLeftover(vm *modelVM, uid types.UID) {
	for node, pod := range vm.pods {
		if pod == nil || pod.uid != uid {
			continue
		}
		if !pod.finished || vm.running[node] {
			s.t.Fatalf("pod of %s on %s is deleted while it has not ended", vm.name, node)
		}
		delete(vm.pods, node)
	}
}
