// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package kubevirtapi

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

// pod is the view of a launcher pod bound to node.
func (w *world) pod(pod *corev1.Pod, node string) failover.PodView {
	view := failover.PodView{
		Namespace: pod.Namespace,
		Name:      pod.Name,
		UID:       pod.UID,
		Finished:  finished(pod),
	}
	name, ok := vmiOf(pod)
	if !ok {
		return view
	}
	view.VMIName = name.Name
	job := types.UID(pod.Labels[kubevirtv1.MigrationJobLabel])
	view.VMI = w.vmi(name)
	// A pod keeps the label of the migration that made it; it is a target only while that one is in flight.
	if m := w.inFlight(name); m.InFlight && job != "" && job == w.job(name) {
		view.Target = true
	} else if job != "" && w.unfinished(name, job) {
		// The target pod is bound before the VMI says anything about the migration.
		view.Target = true
		view.VMI.Migration = failover.MigrationView{
			InFlight: true, Name: w.migrationName(name, job), SourceNode: view.VMI.NodeName, TargetNode: node,
		}
	}
	owner := metav1.GetControllerOf(pod)
	if view.VMI.UID != owner.UID {
		// The name is another VMI's by now; this pod's own is gone.
		view.VMI = failover.VMIView{UID: owner.UID}
	}
	if vmi := w.vmis[name]; vmi == nil || ownedByVM(vmi) {
		view.VM = vmView(w.vms[name])
	}
	return view
}

// vmi is the view of a VMI by name.
func (w *world) vmi(name types.NamespacedName) failover.VMIView {
	vmi := w.vmis[name]
	if vmi == nil {
		return failover.VMIView{}
	}
	view := failover.VMIView{
		Exists:    true,
		UID:       vmi.UID,
		Phase:     string(vmi.Status.Phase),
		NodeName:  vmi.Status.NodeName,
		Deleting:  vmi.DeletionTimestamp != nil,
		Migration: w.inFlight(name),
	}
	if vmi.Spec.EvictionStrategy != nil {
		view.EvictionStrategy = string(*vmi.Spec.EvictionStrategy)
	}
	return view
}

// inFlight is the migration in the VMI's status, which may have ended.
func (w *world) inFlight(name types.NamespacedName) failover.MigrationView {
	vmi := w.vmis[name]
	if vmi == nil || vmi.Status.MigrationState == nil {
		return failover.MigrationView{}
	}
	state := vmi.Status.MigrationState
	view := failover.MigrationView{
		Name:       w.migrationName(name, state.MigrationUID),
		SourceNode: state.SourceNode,
		TargetNode: state.TargetNode,
		Completed:  state.Completed,
		Failed:     state.Failed,
	}
	for _, m := range w.migrations[name] {
		if m.UID == state.MigrationUID && m.Status.Phase == kubevirtv1.MigrationFailed {
			view.Failed = true
		}
	}
	view.InFlight = view.TargetNode != "" && !view.Completed && !view.Failed
	return view
}

func (w *world) job(name types.NamespacedName) types.UID {
	if vmi := w.vmis[name]; vmi != nil && vmi.Status.MigrationState != nil {
		return vmi.Status.MigrationState.MigrationUID
	}
	return ""
}

// unfinished says whether the migration exists, has not ended, and the VMI does not know of it yet.
func (w *world) unfinished(name types.NamespacedName, job types.UID) bool {
	if w.vmis[name] == nil || w.job(name) == job {
		return false
	}
	for _, m := range w.migrations[name] {
		if m.UID == job {
			return m.Status.Phase != kubevirtv1.MigrationFailed && m.Status.Phase != kubevirtv1.MigrationSucceeded
		}
	}
	return false
}

func (w *world) migrationName(name types.NamespacedName, job types.UID) string {
	for _, m := range w.migrations[name] {
		if m.UID == job {
			return m.Name
		}
	}
	return ""
}

func ownedByVM(vmi *kubevirtv1.VirtualMachineInstance) bool {
	owner := metav1.GetControllerOf(vmi)
	return owner != nil && owner.Kind == kubevirtv1.VirtualMachineGroupVersionKind.Kind
}

// vmView is the view of a VM; nil gives the view of one that does not exist.
func vmView(vm *kubevirtv1.VirtualMachine) failover.VMView {
	if vm == nil {
		return failover.VMView{}
	}
	view := failover.VMView{Exists: true, UID: vm.UID, Deleting: vm.DeletionTimestamp != nil}
	// The API refuses both fields at once, which is the only error there is.
	if strategy, err := vm.RunStrategy(); err == nil {
		view.RunStrategy = string(strategy)
	}
	return view
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
