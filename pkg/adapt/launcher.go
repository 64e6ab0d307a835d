// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// launcherLabelValue is the value of label kubevirt.io on launcher pods. Pods that attach hot-plugged disks, and
// KubeVirt's own, have others.
const launcherLabelValue = "virt-launcher"

// computeContainer is the container of a launcher pod that holds the guest.
const computeContainer = "compute"

// What KubeVirt adds to the memory request of a launcher pod for itself and qemu, about: a part that does not depend
// on the guest, a part per vCPU, and one page table entry of 8 bytes for each 4 KiB page (1/512).
const (
	fixedOverhead       = 220 << 20
	overheadPerVCPU     = 8 << 20
	memoryPerPageTables = 512
)

// VMOf returns the UID of the VirtualMachineInstance whose guest a pod holds or is to receive; ok is false when the
// pod is no launcher pod, and so no VM.
func VMOf(pod *corev1.Pod) (uid types.UID, ok bool) {
	if pod.Labels[kubevirtv1.AppLabel] != launcherLabelValue {
		return "", false
	}
	uid = types.UID(pod.Labels[kubevirtv1.CreatedByLabel])
	return uid, uid != ""
}

// IsVM is true for launcher pods.
func IsVM(pod *corev1.Pod) bool {
	_, ok := VMOf(pod)
	return ok
}

// LauncherOf returns a launcher pod as the model sees it; uid is what VMOf said.
func LauncherOf(pod *corev1.Pod, uid types.UID) model.Launcher {
	_, target := pod.Labels[kubevirtv1.MigrationJobLabel]
	return model.Launcher{
		Pod:             pod.UID,
		VM:              uid,
		MigrationTarget: target,
		Created:         pod.CreationTimestamp.Time,
		Ending:          pod.DeletionTimestamp != nil,
	}
}

// SizeFromPod guesses what a guest sees from its launcher pod alone, for when the VirtualMachineInstance is not known.
// cpuAllocationRatio is KubeVirt's setting of that name. The guess is right for vCPUs unless the VM sets CPU requests
// of its own, and within some percent for memory unless KubeVirt's memoryOvercommit, or the VM's memory request, says
// less than the guest sees.
func SizeFromPod(pod *corev1.Pod, cpuAllocationRatio int64) model.Size {
	resources := computeResources(pod)
	size := model.Size{VCPUs: 1}
	cpu := resources.Requests.Cpu()
	limit, limited := resources.Limits[corev1.ResourceCPU]
	switch {
	case limited && cpu.Cmp(limit) == 0 && pinsCPUs(pod):
		size.DedicatedCPUs = true
		size.VCPUs = max(limit.Value(), 1)
	case limited:
		// KubeVirt's automatic limits are one CPU per vCPU, and a VM that sets one means the same.
		size.VCPUs = max(limit.Value(), 1)
	default:
		vcpus := resource.NewMilliQuantity(cpu.MilliValue()*cpuAllocationRatio, resource.DecimalSI)
		size.VCPUs = max(vcpus.Value(), 1) // Value rounds up
	}
	for name, quantity := range resources.Requests {
		pageSize, ok := strings.CutPrefix(string(name), corev1.ResourceHugePagesPrefix)
		if !ok || quantity.IsZero() {
			continue
		}
		if page, err := resource.ParseQuantity(pageSize); err == nil {
			size.PageSize, size.Memory = page.Value(), quantity.Value()
			return size
		}
	}
	size.Memory = withoutOverhead(resources.Requests.Memory().Value(), size.VCPUs)
	return size
}

func withoutOverhead(request, vcpus int64) int64 {
	guest := request - fixedOverhead - vcpus*overheadPerVCPU
	if guest <= 0 {
		return request // not KubeVirt's arithmetic: then better too much
	}
	return guest - guest/(memoryPerPageTables+1)
}

func computeResources(pod *corev1.Pod) corev1.ResourceRequirements {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == computeContainer {
			return pod.Spec.Containers[i].Resources
		}
	}
	return corev1.ResourceRequirements{}
}

// pinsCPUs is true for pods that KubeVirt sends to hosts with a static CPU manager only: guests with dedicated CPUs.
func pinsCPUs(pod *corev1.Pod) bool {
	return pod.Spec.NodeSelector[kubevirtv1.CPUManager] == "true" ||
		pod.Spec.NodeSelector[kubevirtv1.DeprecatedCPUManager] == "true"
}
