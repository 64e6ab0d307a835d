// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

// maxNote is the longest note that the events API takes.
const maxNote = 1024

// action is the events API's word for what the reporter is doing.
const action = "Failover"

// publish tells people: about a VM on the VM, about the node both on the Node and on the NodeFailure.
func (r *Reconciler) publish(nf *failurev1alpha1.NodeFailure, list []failover.Event) {
	failure := failureRef(nf)
	node := &corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: nf.Spec.NodeName, UID: nf.Spec.NodeUID}
	for _, e := range list {
		kind := corev1.EventTypeNormal
		if e.Warning {
			kind = corev1.EventTypeWarning
		}
		note := e.Note
		if len(note) > maxNote {
			note = note[:maxNote]
		}
		if e.VM != nil {
			r.Recorder.Eventf(vmRef(e.VM), failure, kind, e.Reason, action, "%s", note)
			continue
		}
		r.Recorder.Eventf(node, failure, kind, e.Reason, action, "%s", note)
		r.Recorder.Eventf(failure, node, kind, e.Reason, action, "%s", note)
	}
}

func failureRef(nf *failurev1alpha1.NodeFailure) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: failurev1alpha1.GroupVersion.String(), Kind: "NodeFailure", Name: nf.Name, UID: nf.UID,
	}
}

func vmRef(vm *failover.VMRef) *corev1.ObjectReference {
	ref := &corev1.ObjectReference{
		APIVersion: kubevirtv1.GroupVersion.String(), Kind: kubevirtv1.VirtualMachineGroupVersionKind.Kind,
		Namespace: vm.Namespace, Name: vm.Name, UID: vm.VMUID,
	}
	if vm.VMUID == "" {
		ref.Kind, ref.UID = kubevirtv1.VirtualMachineInstanceGroupVersionKind.Kind, vm.VMIUID
	}
	return ref
}
