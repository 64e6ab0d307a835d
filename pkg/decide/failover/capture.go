// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// The run strategies of KubeVirt.
const (
	strategyAlways         = "Always"
	strategyRerunOnFailure = "RerunOnFailure"
	strategyHalted         = "Halted"
	strategyManual         = "Manual"
	strategyOnce           = "Once"
)

// The phases in which a VMI is over, and the one in which its guest runs.
const (
	vmiRunning   = "Running"
	vmiSucceeded = "Succeeded"
	vmiFailed    = "Failed"
)

// capture adds the launcher pods of this pass to the record. Pods are only ever added: one that has gone meanwhile is found
// gone when it is released. It ends with the proof, so that what is released is what was there when the machine was dead.
func (s *pass) capture() {
	if !s.obs.Pods.Read {
		return
	}
	known := make(map[types.UID]bool, len(s.out.VMs))
	for i := range s.out.VMs {
		known[s.out.VMs[i].PodUID] = true
	}
	for i := range s.obs.Pods.Pods {
		pod := &s.obs.Pods.Pods[i]
		// A pod that its kubelet reported as ended holds no guest and blocks nothing.
		if pod.Finished || known[pod.UID] {
			continue
		}
		if len(s.out.VMs) == maxRecords {
			s.out.Recorded = false
			s.raise(alarmTooManyPods, fmt.Sprintf("more than %d launcher pods on one node: nothing is released automatically", maxRecords))
			return
		}
		s.out.VMs = append(s.out.VMs, s.recordOf(pod))
	}
	slices.SortFunc(s.out.VMs, func(a, b failurev1alpha1.VMRecord) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.PodUID, b.PodUID))
	})
	s.out.Recorded = true
}

// recordedNow reports whether the record is complete as of this very pass.
func (s *pass) recordedNow() bool {
	return s.obs.Pods.Read && s.out.Recorded
}

func (s *pass) recordOf(pod *PodView) failurev1alpha1.VMRecord {
	r := failurev1alpha1.VMRecord{
		Namespace: pod.Namespace, Name: pod.VMIName, PodName: pod.Name, PodUID: pod.UID,
		VMIUID: pod.VMI.UID, EvictionStrategy: pod.VMI.EvictionStrategy,
		State: failurev1alpha1.VMRecorded,
		Role:  roleOf(pod.VMI, s.spec.NodeName, pod.Target),
	}
	if pod.VM.Exists {
		r.VMUID, r.RunStrategy = pod.VM.UID, pod.VM.RunStrategy
	}
	if inFlight(pod.VMI.Migration) {
		r.Migration = pod.VMI.Migration.Name
	}
	r.Due = dueOf(pod.VM, pod.VMI)
	if guestElsewhere(pod.VMI, s.spec.NodeName) {
		r.Due = failurev1alpha1.DueRunOn
	}
	return r
}

// roleOf says which part a launcher pod on the failed node plays, by what stands for the guest now: the VMI's status.nodeName.
// A Running VMI whose status.nodeName has no launcher pod becomes Failed, so that this name, not the migration's, decides.
func roleOf(vmi VMIView, node string, target bool) failurev1alpha1.VMRole {
	m := vmi.Migration
	switch {
	case guestElsewhere(vmi, node) && (target || inFlight(m) && m.TargetNode == node):
		return failurev1alpha1.RoleMigrationTarget
	case guestElsewhere(vmi, node):
		return failurev1alpha1.RoleMigrationSource
	case inFlight(m) && m.SourceNode == node && m.TargetNode != node:
		return failurev1alpha1.RoleMigrationSource
	default:
		return failurev1alpha1.RoleHome
	}
}

func inFlight(m MigrationView) bool {
	return m.InFlight && !m.Completed && !m.Failed
}

// guestElsewhere: the API says that the guest's home is another node.
func guestElsewhere(vmi VMIView, node string) bool {
	return vmi.Exists && vmi.NodeName != "" && vmi.NodeName != node
}

func final(vmi VMIView) bool {
	return vmi.Phase == vmiSucceeded || vmi.Phase == vmiFailed
}

// dueOf is what becomes of a VM whose guest was lost with the node (failure.md section 1, "runStrategy after the pod is released").
func dueOf(vm VMView, vmi VMIView) failurev1alpha1.VMDue {
	if !vm.Exists || vm.Deleting {
		return failurev1alpha1.DueGone
	}
	stopping := vmi.Exists && vmi.Deleting
	switch vm.RunStrategy {
	case strategyAlways:
		return failurev1alpha1.DueRestart
	case strategyRerunOnFailure:
		// A VMI that was being deleted, or whose guest had shut down, is not run again. One that is Failed already is deleted
		// by KubeVirt itself, as the first half of running it again.
		if stopping && vmi.Phase != vmiFailed || vmi.Exists && vmi.Phase == vmiSucceeded {
			return failurev1alpha1.DueStayStopped
		}
		return failurev1alpha1.DueRestart
	case strategyOnce:
		// KubeVirt starts a Once VM again when its VMI was deleted; we never delete one, somebody did.
		if stopping {
			return failurev1alpha1.DueRestart
		}
		return failurev1alpha1.DueStayFailed
	case strategyHalted:
		return failurev1alpha1.DueStayStopped
	case strategyManual:
		if stopping {
			return failurev1alpha1.DueStayStopped
		}
		return failurev1alpha1.DueStayFailed
	default:
		// WaitAsReceiver and what is not known: nobody promises a restart.
		return failurev1alpha1.DueStayFailed
	}
}

// podsLeft counts the launcher pods that may still hold a guest.
func podsLeft(v PodsView) int {
	n := 0
	for i := range v.Pods {
		if !v.Pods[i].Finished {
			n++
		}
	}
	return n
}
