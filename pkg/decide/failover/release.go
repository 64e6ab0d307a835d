// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// kubeletTime is for how long a kubelet that came back may take to end the pods of its earlier boot.
const kubeletTime = 30 * time.Second

// proved is what the phases after the proof have in common. A record whose proof is not about this incident releases nothing.
func (s *pass) proved() {
	s.noteSigns()
	if !Proved(s.spec, s.in) || s.spec.ControlPlane {
		s.after(time.Minute)
		s.raise(alarmNoProof, "the record is in phase "+string(s.in.Phase)+" without a proof of this incident: nothing is released")
		return
	}
	if s.unfenced() {
		return
	}
	s.keepTaintProved()
	s.noteReturn()
	switch s.in.Phase {
	case failurev1alpha1.PhaseFenced:
		s.event(false, ReasonReleasing, "node %s: releasing %d launcher pods; %s", s.spec.NodeName, len(s.in.VMs), s.elapsed())
		s.enter(failurev1alpha1.PhaseReleasing, "Proved", "recorded launcher pods are deleted")
	case failurev1alpha1.PhaseReleasing:
		s.release()
		s.follow()
		s.marks()
		s.leaveReleasing()
	case failurev1alpha1.PhaseRecovering:
		s.release()
		s.follow()
		s.marks()
		s.leaveRecovering()
	case failurev1alpha1.PhaseReturning:
		s.marks()
		s.leaveReturning()
	case failurev1alpha1.PhaseSuspect, failurev1alpha1.PhaseConfirmed, failurev1alpha1.PhaseFencing,
		failurev1alpha1.PhaseAwaitManual, failurev1alpha1.PhaseClosed:
		// Not reached: step sends these elsewhere.
	}
}

// release deletes the recorded pods that may go. The machine is proved to be off, but for a moving guest the pod may still be
// what stands between it and the end of its VMI. Once the node has shown life again, in whatever boot, its kubelet is the only
// one to end pods: a recorded pod that had never started could be starting now.
func (s *pass) release() {
	if !s.in.Recorded || !s.obs.Pods.Read || !s.obs.VMs.Read {
		s.after(settleInterval)
		return
	}
	there := make(map[types.UID]*PodView, len(s.obs.Pods.Pods))
	for i := range s.obs.Pods.Pods {
		if pod := &s.obs.Pods.Pods[i]; !pod.Finished {
			there[pod.UID] = pod
		}
	}
	for i := range s.out.VMs {
		r := &s.out.VMs[i]
		if there[r.PodUID] == nil {
			s.found(r)
			continue
		}
		s.after(settleInterval)
		if s.signs.alive() {
			s.leaveToKubelet(r)
			continue
		}
		if !released(r) {
			s.decide(r)
		}
		if released(r) {
			s.effect(Effect{Kind: EffectDeletePod, Pod: PodRef{Namespace: r.Namespace, Name: r.PodName, UID: r.PodUID}})
		}
	}
}

// leaveToKubelet settles a VM whose pod is still there long after the node is back: the kubelet has had the time to end what
// belonged to the earlier boot, so that this pod, which had not started before the failure, is one that it runs.
func (s *pass) leaveToKubelet(r *failurev1alpha1.VMRecord) {
	if r.State == failurev1alpha1.VMSettled || !s.kubeletOwns() {
		return
	}
	if r.ReleasedAt == nil {
		at := s.now
		r.ReleasedAt = &at
	}
	vmi := s.vmiOf(r)
	s.settle(r, vmi, "its pod was left to the kubelet of "+s.spec.NodeName+", which is back; VMI "+orNone(vmi.Phase), false)
}

// kubeletOwns: the node has been back for so long that its kubelet has ended the pods of the earlier boot.
func (s *pass) kubeletOwns() bool {
	return s.signs.rebooted && s.in.ReturnedAt != nil && s.out.ReturnedAt != nil &&
		s.now.Sub(s.in.ReturnedAt.Time) >= max(s.policy.HealthyDelay, kubeletTime)
}

// found takes note of a pod that has gone.
func (s *pass) found(r *failurev1alpha1.VMRecord) {
	if released(r) {
		return
	}
	at := s.now
	r.State, r.ReleasedAt = failurev1alpha1.VMReleased, &at
	s.vmEvent(r, false, ReasonVMReleased, "launcher pod %s of node %s was found gone after the proof", r.PodName, s.spec.NodeName)
}

// decide releases a pod or holds it back.
func (s *pass) decide(r *failurev1alpha1.VMRecord) {
	vmi := s.vmiOf(r)
	m := vmi.Migration
	if sameVMI(vmi, r) {
		r.Role = roleOf(vmi, s.spec.NodeName, r.Role == failurev1alpha1.RoleMigrationTarget)
		if inFlight(m) && m.Name != "" {
			r.Migration = m.Name
		}
	} else {
		r.Role = failurev1alpha1.RoleHome
	}
	if r.Role == failurev1alpha1.RoleMigrationSource && !guestElsewhere(vmi, s.spec.NodeName) && s.hold(r, m) {
		return
	}
	at := s.now
	r.State, r.ReleasedAt = failurev1alpha1.VMReleased, &at
	s.vmEvent(r, false, ReasonVMReleased, "launcher pod %s of node %s is deleted (%s): the machine is proved to be off; %s",
		r.PodName, s.spec.NodeName, r.Role, s.elapsed())
}

// hold keeps the source pod of a migration in flight: its guest may already be at the target without the API knowing, and
// would be killed there, because a VMI whose status.nodeName has no launcher pod becomes Failed. It ends with the migration, or by
// time, which costs at worst that guest's run, never a second one.
func (s *pass) hold(r *failurev1alpha1.VMRecord, m MigrationView) bool {
	left := s.policy.MigrationTimeout - s.now.Sub(s.in.Fence.Proof.At.Time)
	if left <= 0 {
		return false
	}
	s.after(left)
	if r.State != failurev1alpha1.VMHeld {
		at := s.now
		r.State, r.HeldSince = failurev1alpha1.VMHeld, &at
		s.vmEvent(r, false, ReasonVMHeld, "launcher pod %s stays until migration %s to %s has ended, for at most %s",
			r.PodName, orNone(m.Name), m.TargetNode, left)
	}
	return true
}

// leaveReleasing goes on when no recorded pod is left.
func (s *pass) leaveReleasing() {
	if !s.obs.Pods.Read || !s.obs.VMs.Read || !s.podsGone() {
		s.after(settleInterval)
		return
	}
	s.enter(failurev1alpha1.PhaseRecovering, "Released", "every recorded launcher pod is gone; the VMs are followed")
}

// podsGone reports whether no recorded pod can hold a guest any more.
func (s *pass) podsGone() bool {
	if !s.obs.Pods.Read {
		return false
	}
	if s.kubeletOwns() {
		return true
	}
	recorded := make(map[types.UID]bool, len(s.out.VMs))
	for i := range s.out.VMs {
		if !released(&s.out.VMs[i]) {
			return false
		}
		recorded[s.out.VMs[i].PodUID] = true
	}
	for i := range s.obs.Pods.Pods {
		if pod := &s.obs.Pods.Pods[i]; recorded[pod.UID] && !pod.Finished {
			return false
		}
	}
	return true
}

func released(r *failurev1alpha1.VMRecord) bool {
	return r.State == failurev1alpha1.VMReleased || r.State == failurev1alpha1.VMSettled
}

func (s *pass) vmiOf(r *failurev1alpha1.VMRecord) VMIView {
	return s.obs.VMs.VMIs[types.NamespacedName{Namespace: r.Namespace, Name: r.Name}]
}

func (s *pass) vmOf(r *failurev1alpha1.VMRecord) VMView {
	return s.obs.VMs.VMs[types.NamespacedName{Namespace: r.Namespace, Name: r.Name}]
}

func sameVMI(vmi VMIView, r *failurev1alpha1.VMRecord) bool {
	return vmi.Exists && vmi.UID == r.VMIUID
}
