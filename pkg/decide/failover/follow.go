// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"fmt"
	"time"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// lostRestart is for how long after its release a RerunOnFailure VM may be without a VMI before it is said to stay stopped:
// it was stopped meanwhile, or KubeVirt lost the restart between two of its writes. KubeVirt takes seconds.
const lostRestart = 10 * time.Minute

// follow settles each released VM that has become what is due.
func (s *pass) follow() {
	if !s.obs.VMs.Read {
		return
	}
	for i := range s.out.VMs {
		r := &s.out.VMs[i]
		if r.State != failurev1alpha1.VMReleased {
			continue
		}
		vmi, vm := s.vmiOf(r), s.vmOf(r)
		s.reconsider(r, vm, vmi)
		if s.leftover(r, vmi) {
			continue
		}
		if outcome, warning := s.outcome(r, vm, vmi); outcome != "" {
			s.settle(r, vmi, outcome, warning)
		}
	}
}

// reconsider changes what is due when the VM is no longer what it was: deleted, another runStrategy, its guest on another node
// after all, or lost there.
func (s *pass) reconsider(r *failurev1alpha1.VMRecord, vm VMView, vmi VMIView) {
	if r.VMUID == "" || vm.UID != r.VMUID {
		vm = VMView{}
	}
	changed := vm.Exists && vm.RunStrategy != r.RunStrategy
	if changed {
		s.vmEvent(r, false, ReasonVMDueChanged, "runStrategy changed from %s to %s during recovery", orNone(r.RunStrategy), vm.RunStrategy)
		r.RunStrategy = vm.RunStrategy
	}
	switch {
	case sameVMI(vmi, r):
		s.reconsiderSame(r, vm, vmi, changed)
	case changed || !vm.Exists || vm.Deleting || r.Due == failurev1alpha1.DueRunOn:
		// RunOn: its guest ended while the VMI was not looked at.
		r.Due = dueOf(vm, VMIView{})
	}
}

// reconsiderSame is for a VM whose VMI is still the one that was recorded.
func (s *pass) reconsiderSame(r *failurev1alpha1.VMRecord, vm VMView, vmi VMIView, changed bool) {
	switch {
	case guestElsewhere(vmi, s.spec.NodeName) && !final(vmi):
		r.Due = failurev1alpha1.DueRunOn
	case !changed && vm.RunStrategy == strategyRerunOnFailure && vmi.Deleting && vmi.Phase == vmiFailed:
		// Deleted by KubeVirt to run it again, unless it was being deleted before it failed: what was due tells them apart.
	default:
		r.Due = dueOf(vm, vmi)
	}
}

// outcome says in words what became of the VM once that is what was due, and whether somebody should look.
func (s *pass) outcome(r *failurev1alpha1.VMRecord, vm VMView, vmi VMIView) (text string, warning bool) {
	same, running := sameVMI(vmi, r), vmi.Exists && vmi.Phase == vmiRunning && vmi.NodeName != ""
	switch r.Due {
	case failurev1alpha1.DueRestart:
		return s.restarted(r, vmi, same, running)
	case failurev1alpha1.DueRunOn:
		return s.ranOn(vmi, same && running), false
	case failurev1alpha1.DueStayFailed, failurev1alpha1.DueStayStopped:
		return stayed(r, vmi, same, running)
	case failurev1alpha1.DueGone:
		switch {
		case same && !final(vmi):
			return "", false
		case r.VMUID != "" && vm.UID != r.VMUID:
			return "the VM was deleted", false
		default:
			return "ended; it belonged to no VM", false
		}
	}
	return "", false
}

// ranOn: the guest lives on another node, and its launcher pods, looked at before (leftover), do not say otherwise.
func (s *pass) ranOn(vmi VMIView, running bool) string {
	if running && guestElsewhere(vmi, s.spec.NodeName) && !inFlight(vmi.Migration) && vmi.LaunchersRead {
		return "runs on at " + vmi.NodeName + ", never stopped"
	}
	return ""
}

// stayed: a VM that is to stay off. A new VMI of it is none of our doing, and is followed until it is clear what it becomes.
func stayed(r *failurev1alpha1.VMRecord, vmi VMIView, same, running bool) (text string, warning bool) {
	switch {
	case !vmi.Exists:
		return fmt.Sprintf("stays off (%s)", r.RunStrategy), false
	case same && final(vmi):
		return fmt.Sprintf("stays %s (%s)", vmi.Phase, r.RunStrategy), false
	case !same && running:
		return fmt.Sprintf("was due to stay off (%s), but a new VMI %s runs on %s, not by our doing", r.RunStrategy, vmi.UID, vmi.NodeName), true
	default:
		return "", false
	}
}

func (s *pass) restarted(r *failurev1alpha1.VMRecord, vmi VMIView, same, running bool) (text string, warning bool) {
	switch {
	case running && !same:
		return "restarted on " + vmi.NodeName, false
	case !vmi.Exists && r.RunStrategy == strategyRerunOnFailure && s.now.Sub(r.ReleasedAt.Time) >= lostRestart:
		r.Due = failurev1alpha1.DueStayStopped
		return fmt.Sprintf("no VMI for %s: it was stopped, or its restart was lost; start it by hand if it should run", lostRestart), true
	}
	return "", false
}

func (s *pass) settle(r *failurev1alpha1.VMRecord, vmi VMIView, outcome string, warning bool) {
	at := s.now
	r.State, r.SettledAt = failurev1alpha1.VMSettled, &at
	if vmi.Exists && vmi.Phase == vmiRunning {
		r.NewNode = vmi.NodeName
		if vmi.UID != r.VMIUID || r.Due == failurev1alpha1.DueRunOn {
			r.NewVMIUID = vmi.UID
		}
	}
	r.Outcome = shorten(outcome, maxOutcome)
	s.vmEvent(r, warning, ReasonVMSettled, "%s: %s; %s", r.Due, outcome, s.elapsed())
}

// AllSettled reports whether every recorded VM is what was due.
func AllSettled(status failurev1alpha1.NodeFailureStatus) bool {
	for i := range status.VMs {
		if status.VMs[i].State != failurev1alpha1.VMSettled {
			return false
		}
	}
	return true
}

// Finished reports whether the incident is history: no new decision comes of it. Next may still return Untaint until the taint
// is seen gone.
func Finished(status failurev1alpha1.NodeFailureStatus) bool {
	return status.Phase == failurev1alpha1.PhaseClosed
}

// Needs says what the glue must read for the next pass. Node and Lease are always read.
type Needs struct {
	// Power: the BMC. Pods: the node's launcher pods with their VMIs and VMs, and the volume attachments. VMs: those of the record.
	Power, Pods, VMs bool
}

// NeedsOf says what the next pass over a record needs.
func NeedsOf(spec failurev1alpha1.NodeFailureSpec, stored failurev1alpha1.NodeFailureStatus, p Policy) Needs {
	switch stored.Phase {
	case "", failurev1alpha1.PhaseSuspect:
		// The second Off reading may be the proof, and that takes the pods.
		off := stored.Fence != nil && len(stored.Fence.OffReadings) > 0
		return Needs{Power: p.DriverConfigured && !spec.ControlPlane, Pods: off && !spec.ControlPlane}
	case failurev1alpha1.PhaseConfirmed, failurev1alpha1.PhaseFencing, failurev1alpha1.PhaseAwaitManual:
		return Needs{Power: p.DriverConfigured && !spec.ControlPlane, Pods: !spec.ControlPlane}
	case failurev1alpha1.PhaseReleasing, failurev1alpha1.PhaseRecovering:
		return Needs{Pods: true, VMs: true}
	case failurev1alpha1.PhaseReturning:
		return Needs{Pods: true}
	case failurev1alpha1.PhaseFenced, failurev1alpha1.PhaseClosed:
		return Needs{}
	default:
		return Needs{}
	}
}
