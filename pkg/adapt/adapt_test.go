// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
)

func quantity(s string) *resource.Quantity {
	q := resource.MustParse(s)
	return &q
}

func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func TestSizeFromVMI(t *testing.T) {
	tests := map[string]struct {
		domain kubevirtv1.DomainSpec
		status kubevirtv1.VirtualMachineInstanceStatus
		want   model.Size
	}{
		"topology and guest memory, whatever is requested": {
			domain: kubevirtv1.DomainSpec{
				CPU:       &kubevirtv1.CPU{Sockets: 2, Cores: 3, Threads: 2},
				Memory:    &kubevirtv1.Memory{Guest: quantity("4Gi")},
				Resources: kubevirtv1.ResourceRequirements{Requests: list("cpu", "1", "memory", "1Gi")},
			},
			want: model.Size{VCPUs: 12, Memory: 4 * gib},
		},
		"a topology that is not whole": {
			domain: kubevirtv1.DomainSpec{CPU: &kubevirtv1.CPU{Cores: 6}}, want: model.Size{VCPUs: 6},
		},
		"nothing said": {want: model.Size{VCPUs: 1}},
		"by requests": {
			domain: kubevirtv1.DomainSpec{Resources: kubevirtv1.ResourceRequirements{Requests: list("cpu", "1500m", "memory", "2Gi"), Limits: list("memory", "3Gi")}},
			want:   model.Size{VCPUs: 2, Memory: 2 * gib},
		},
		"by limits": {
			domain: kubevirtv1.DomainSpec{Resources: kubevirtv1.ResourceRequirements{Limits: list("cpu", "4", "memory", "3Gi")}},
			want:   model.Size{VCPUs: 4, Memory: 3 * gib},
		},
		"dedicated CPUs, huge pages": {
			domain: kubevirtv1.DomainSpec{
				CPU:    &kubevirtv1.CPU{Cores: 4, DedicatedCPUPlacement: true},
				Memory: &kubevirtv1.Memory{Guest: quantity("8Gi"), Hugepages: &kubevirtv1.Hugepages{PageSize: "2Mi"}},
			},
			want: model.Size{VCPUs: 4, DedicatedCPUs: true, Memory: 8 * gib, PageSize: 2 * mib},
		},
		// KubeVirt resolves an instance type into the VirtualMachineInstance's spec: sockets by default, no requests or limits of CPU.
		"an instance type, and what may be hot-plugged later does not count": {
			domain: kubevirtv1.DomainSpec{
				CPU:    &kubevirtv1.CPU{Sockets: 4, Cores: 1, Threads: 1, MaxSockets: 16},
				Memory: &kubevirtv1.Memory{Guest: quantity("16Gi"), MaxGuest: quantity("64Gi")},
			},
			status: kubevirtv1.VirtualMachineInstanceStatus{
				CurrentCPUTopology: &kubevirtv1.CPUTopology{Sockets: 4, Cores: 1, Threads: 1},
				Memory:             &kubevirtv1.MemoryStatus{GuestAtBoot: quantity("16Gi"), GuestCurrent: quantity("16Gi"), GuestRequested: quantity("16Gi")},
			},
			want: model.Size{VCPUs: 4, Memory: 16 * gib},
		},
		"an instance type that is overcommitted, with a preference for cores and threads": {
			domain: kubevirtv1.DomainSpec{
				CPU:       &kubevirtv1.CPU{Sockets: 1, Cores: 4, Threads: 2},
				Memory:    &kubevirtv1.Memory{Guest: quantity("32Gi")},
				Resources: kubevirtv1.ResourceRequirements{Requests: list("memory", "16Gi")}, // overcommitPercent: 50
			},
			want: model.Size{VCPUs: 8, Memory: 32 * gib},
		},
		"an instance type with dedicated CPUs, NUMA passthrough and huge pages": {
			domain: kubevirtv1.DomainSpec{
				CPU: &kubevirtv1.CPU{
					Sockets: 8, Cores: 1, Threads: 1, DedicatedCPUPlacement: true, IsolateEmulatorThread: true,
					NUMA: &kubevirtv1.NUMA{GuestMappingPassthrough: &kubevirtv1.NUMAGuestMappingPassthrough{}},
				},
				Memory: &kubevirtv1.Memory{Guest: quantity("16Gi"), Hugepages: &kubevirtv1.Hugepages{PageSize: "1Gi"}},
			},
			want: model.Size{VCPUs: 8, DedicatedCPUs: true, Memory: 16 * gib, PageSize: gib},
		},
		"hot-plug under way: the spec is ahead": {
			domain: kubevirtv1.DomainSpec{CPU: &kubevirtv1.CPU{Sockets: 8, Cores: 1, Threads: 1}, Memory: &kubevirtv1.Memory{Guest: quantity("8Gi")}},
			status: kubevirtv1.VirtualMachineInstanceStatus{
				CurrentCPUTopology: &kubevirtv1.CPUTopology{Sockets: 4, Cores: 1, Threads: 1},
				Memory:             &kubevirtv1.MemoryStatus{GuestCurrent: quantity("4Gi")},
			},
			want: model.Size{VCPUs: 8, Memory: 8 * gib},
		},
		"unplug under way: the status is ahead": {
			domain: kubevirtv1.DomainSpec{CPU: &kubevirtv1.CPU{Sockets: 2, Cores: 1, Threads: 1}, Memory: &kubevirtv1.Memory{Guest: quantity("2Gi")}},
			status: kubevirtv1.VirtualMachineInstanceStatus{
				CurrentCPUTopology: &kubevirtv1.CPUTopology{Sockets: 4, Cores: 1, Threads: 1},
				Memory:             &kubevirtv1.MemoryStatus{GuestCurrent: quantity("4Gi")},
			},
			want: model.Size{VCPUs: 4, Memory: 4 * gib},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			vmi := &kubevirtv1.VirtualMachineInstance{Spec: kubevirtv1.VirtualMachineInstanceSpec{Domain: tc.domain}, Status: tc.status}
			if diff := cmp.Diff(tc.want, SizeFromVMI(vmi)); diff != "" {
				t.Errorf("SizeFromVMI() (-want +got):\n%s", diff)
			}
		})
	}
}

func launcherPod(change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Labels = map[string]string{"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "vmi-uid"}
	pod.Spec.Containers = []corev1.Container{{Name: "guest-console-log"}, {Name: "compute"}}
	change(pod)
	return pod
}

func TestVMOf(t *testing.T) {
	tests := map[string]struct {
		labels map[string]string
		want   string
	}{
		"launcher":              {labels: map[string]string{"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "u"}, want: "u"},
		"hot-plugged disks":     {labels: map[string]string{"kubevirt.io": "hotplug-disk", "kubevirt.io/created-by": "u"}},
		"virt-handler":          {labels: map[string]string{"kubevirt.io": "virt-handler"}},
		"launcher without a VM": {labels: map[string]string{"kubevirt.io": "virt-launcher"}},
		"no labels":             {},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{}
			pod.Labels = tc.labels
			got, ok := VMOf(pod)
			if string(got) != tc.want || ok != (tc.want != "") {
				t.Errorf("VMOf() = %q, %t, want %q, %t", got, ok, tc.want, tc.want != "")
			}
		})
	}
}

func TestSizeFromPod(t *testing.T) {
	tests := map[string]struct {
		change func(*corev1.Pod)
		want   model.Size
	}{
		"as KubeVirt makes it: 8 vCPUs, 4 GiB": {
			// 4 GiB + 220 MiB + 8 x 8 MiB + 8 MiB of page tables
			change: func(p *corev1.Pod) { p.Spec.Containers[1].Resources.Requests = list("cpu", "800m", "memory", "4388Mi") },
			want:   model.Size{VCPUs: 8, Memory: 4 * gib},
		},
		"vCPUs are rounded up": {
			change: func(p *corev1.Pod) { p.Spec.Containers[1].Resources.Requests = list("cpu", "210m") }, want: model.Size{VCPUs: 3},
		},
		"automatic CPU limits": {
			change: func(p *corev1.Pod) {
				p.Spec.Containers[1].Resources.Requests = list("cpu", "200m")
				p.Spec.Containers[1].Resources.Limits = list("cpu", "2")
			},
			want: model.Size{VCPUs: 2},
		},
		"dedicated CPUs": {
			change: func(p *corev1.Pod) {
				p.Spec.NodeSelector = map[string]string{"kubevirt.io/cpumanager": "true"}
				p.Spec.Containers[1].Resources.Requests = list("cpu", "4")
				p.Spec.Containers[1].Resources.Limits = list("cpu", "4")
			},
			want: model.Size{VCPUs: 4, DedicatedCPUs: true},
		},
		"limits as requests, but shared": {
			change: func(p *corev1.Pod) {
				p.Spec.Containers[1].Resources.Requests = list("cpu", "4")
				p.Spec.Containers[1].Resources.Limits = list("cpu", "4")
			},
			want: model.Size{VCPUs: 4},
		},
		"huge pages are the guest, memory is overhead": {
			change: func(p *corev1.Pod) {
				p.Spec.Containers[1].Resources.Requests = list("cpu", "200m", "memory", "300Mi", "hugepages-1Gi", "8Gi")
			},
			want: model.Size{VCPUs: 2, Memory: 8 * gib, PageSize: gib},
		},
		"less memory than overhead": {
			change: func(p *corev1.Pod) { p.Spec.Containers[1].Resources.Requests = list("cpu", "100m", "memory", "64Mi") },
			want:   model.Size{VCPUs: 1, Memory: 64 * mib},
		},
		"no requests": {change: func(*corev1.Pod) {}, want: model.Size{VCPUs: 1}},
		"no compute container": {
			change: func(p *corev1.Pod) { p.Spec.Containers = nil }, want: model.Size{VCPUs: 1},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, SizeFromPod(launcherPod(tc.change), 10)); diff != "" {
				t.Errorf("SizeFromPod() (-want +got):\n%s", diff)
			}
		})
	}
}
