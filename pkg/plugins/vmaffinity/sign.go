// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
)

const (
	// namespaceSignerName is the key of the namespace in a signature, in upstream's form.
	namespaceSignerName = "v1.Pod.Namespace"

	reasonVMNotSigned    = "which hosts are for a VM depends on where its other pods are, and on its VirtualMachineInstance"
	reasonTermsNotSigned = "which hosts are for a pod with affinity to other pods changes with every pod that is placed"
)

// SignPod signs what the terms of other pods look at: labels and namespace. Neither a pod with terms of its own is signed,
// as each pod that is placed may change where the next one may go, nor a VM: that its own pods do not count makes the
// answer depend on which VM it is, and on what its VirtualMachineInstance says.
//
// Argument ignorePreferredTermsOfExistingPods changes nothing here: required anti-affinity of other pods counts all the same.
func (pl *VMAffinity) SignPod(_ context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	if adapt.IsVM(pod) {
		return nil, fwk.NewStatus(fwk.Unschedulable, reasonVMNotSigned)
	}
	if affinity := pod.Spec.Affinity; affinity != nil && (affinity.PodAffinity != nil || affinity.PodAntiAffinity != nil) {
		return nil, fwk.NewStatus(fwk.Unschedulable, reasonTermsNotSigned)
	}
	return []fwk.SignFragment{
		{Key: fwk.LabelsSignerName, Value: pod.Labels},
		{Key: namespaceSignerName, Value: pod.Namespace},
	}, nil
}
