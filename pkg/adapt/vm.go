// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// DefaultCPUAllocationRatio is KubeVirt's own default of developerConfiguration.cpuAllocationRatio.
const DefaultCPUAllocationRatio int64 = 10

// VMFromVMI returns a VM as its VirtualMachineInstance describes it. What it returns shares maps and affinity with the
// VirtualMachineInstance.
func VMFromVMI(vmi *kubevirtv1.VirtualMachineInstance) *model.VM {
	wishes := wishesFromVMI(vmi)
	vm := &model.VM{
		UID: vmi.UID, Namespace: vmi.Namespace, Name: vmi.Name,
		Size:       SizeFromVMI(vmi),
		Wishes:     &wishes,
		Host:       vmi.Status.NodeName,
		Move:       moveOf(vmi.Status.MigrationState),
		Evacuating: vmi.Status.EvacuationNodeName,
		Migratable: isTrue(vmi.Status.Conditions, kubevirtv1.VirtualMachineInstanceIsMigratable),
		Paused:     isTrue(vmi.Status.Conditions, kubevirtv1.VirtualMachineInstancePaused),

		PreemptionNever: PreemptionNever(vmi),
	}
	if strategy := vmi.Spec.EvictionStrategy; strategy != nil {
		vm.Eviction = model.Eviction(*strategy)
	}
	return vm
}

// VMFromPod returns what a launcher pod alone tells of a VM, for when its VirtualMachineInstance is not known: sizes as
// SizeFromPod guesses them, no wishes, as virt-controller has made node selectors of
// those that it enforces, and of its annotations those that the VirtualMachineInstance had when the pod was made.
// ok is false when the pod is no launcher pod.
func VMFromPod(pod *corev1.Pod, cpuAllocationRatio int64) (vm *model.VM, ok bool) {
	uid, ok := VMOf(pod)
	if !ok {
		return nil, false
	}
	return &model.VM{
		UID: uid, Namespace: pod.Namespace, Name: pod.Annotations[kubevirtv1.DomainAnnotation],
		Size:    SizeFromPod(pod, cpuAllocationRatio),
		Guessed: true,
		Wishes: &model.Wishes{
			CPUModel:     cpuModelSelected(pod),
			NodeSelector: pod.Spec.NodeSelector,
			NodeAffinity: requiredNodeAffinity(pod.Spec.Affinity),
		},
		PreemptionNever: PreemptionNever(pod),
	}, true
}

// Attachment is true for pods that attach hot-plugged disks to a running VM. They belong to their VM: they go where
// it is, and are neither VMs nor pods of others.
func Attachment(pod *corev1.Pod) bool {
	return pod.Labels[kubevirtv1.AppLabel] == hotplugDiskLabelValue
}

const hotplugDiskLabelValue = "hotplug-disk"

// cpuModelSelected: virt-controller selects a label for a named CPU model; without one the guest gets KubeVirt's
// default, the host's model.
func cpuModelSelected(pod *corev1.Pod) string {
	for key := range pod.Spec.NodeSelector {
		if name, ok := strings.CutPrefix(key, kubevirtv1.CPUModelLabel); ok && name != "" {
			return name
		}
	}
	return model.CPUHostModel
}

func moveOf(state *kubevirtv1.VirtualMachineInstanceMigrationState) model.Move {
	if state == nil {
		return model.Move{}
	}
	return model.Move{
		Migration: state.MigrationUID,
		Source:    state.SourceNode,
		Target:    state.TargetNode,
		Ended:     state.Completed || state.Failed || state.EndTimestamp != nil,
		Failed:    state.Failed,
	}
}

// PreemptionNever is true for a VirtualMachineInstance, or a launcher pod, that is annotated never to have to go for a pod of
// higher priority. A launcher pod has the annotations that its VirtualMachineInstance had when the pod was made.
func PreemptionNever(object metav1.Object) bool {
	return object.GetAnnotations()[config.PreemptionAnnotation] == config.PreemptionNever
}

func isTrue(conditions []kubevirtv1.VirtualMachineInstanceCondition, condition kubevirtv1.VirtualMachineInstanceConditionType) bool {
	for i := range conditions {
		if conditions[i].Type == condition {
			return conditions[i].Status == corev1.ConditionTrue
		}
	}
	return false
}

// MigrationOf returns the UID of the migration that a launcher pod was made for as its target, or "". The label stays
// when the migration is over.
func MigrationOf(pod *corev1.Pod) types.UID {
	return types.UID(pod.Labels[kubevirtv1.MigrationJobLabel])
}
