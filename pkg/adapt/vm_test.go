// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

type vmiChange func(*kubevirtv1.VirtualMachineInstance)

func TestWishesFromVMI(t *testing.T) {
	off := ptr.To(false)
	tests := map[string]struct {
		change vmiChange
		want   model.Wishes
	}{
		"nothing said: the host's model": {
			change: func(*kubevirtv1.VirtualMachineInstance) {}, want: model.Wishes{CPUModel: model.CPUHostModel},
		},
		"CPU": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.Domain.CPU = &kubevirtv1.CPU{
					Model: "Skylake-Server", Realtime: &kubevirtv1.Realtime{},
					NUMA: &kubevirtv1.NUMA{GuestMappingPassthrough: &kubevirtv1.NUMAGuestMappingPassthrough{}},
					Features: []kubevirtv1.CPUFeature{
						{Name: "vmx", Policy: "require"}, {Name: "aes"}, {Name: "mpx", Policy: "disable"}, {Name: "hle", Policy: "forbid"}, {Name: "pcid", Policy: "optional"},
					},
				}
			},
			want: model.Wishes{CPUModel: "Skylake-Server", Features: []string{"aes", "vmx"}, Without: []string{"hle"}, Realtime: true, NUMAPassthrough: true},
		},
		"Hyper-V: what is on, or named, and needs the host": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.Domain.Features = &kubevirtv1.Features{Hyperv: &kubevirtv1.FeatureHyperv{
					VPIndex: &kubevirtv1.FeatureState{}, IPI: &kubevirtv1.FeatureState{Enabled: off}, SyNICTimer: &kubevirtv1.SyNICTimer{},
					TLBFlush: &kubevirtv1.TLBFlush{FeatureState: kubevirtv1.FeatureState{Enabled: ptr.To(true)}}, Relaxed: &kubevirtv1.FeatureState{}, EVMCS: &kubevirtv1.FeatureState{},
				}}
			},
			want: model.Wishes{CPUModel: model.CPUHostModel, HyperV: []string{"synictimer", "tlbflush", "vpindex"}, CPUVendor: "Intel"},
		},
		"a running guest keeps its machine type": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.Domain.Machine = &kubevirtv1.Machine{Type: "q35"}
				vmi.Status.Machine = &kubevirtv1.Machine{Type: "pc-q35-rhel9.4.0"}
			},
			want: model.Wishes{CPUModel: model.CPUHostModel, MachineType: "pc-q35-rhel9.4.0"},
		},
		"machine type before it runs": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.Domain.Machine = &kubevirtv1.Machine{Type: "q35"}
			},
			want: model.Wishes{CPUModel: model.CPUHostModel, MachineType: "q35"},
		},
		"SEV-ES": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.Domain.LaunchSecurity = &kubevirtv1.LaunchSecurity{SEV: &kubevirtv1.SEV{Policy: &kubevirtv1.SEVPolicy{EncryptedState: ptr.To(true)}}}
			},
			want: model.Wishes{CPUModel: model.CPUHostModel, SEV: true, SEVES: true},
		},
		"SEV-SNP, TDX": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.Domain.LaunchSecurity = &kubevirtv1.LaunchSecurity{SNP: &kubevirtv1.SEVSNP{}, TDX: &kubevirtv1.TDX{}}
			},
			want: model.Wishes{CPUModel: model.CPUHostModel, SEV: true, SEVSNP: true, TDX: true},
		},
		"launch security means secure execution on s390x": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.Architecture = "s390x"
				vmi.Spec.Domain.LaunchSecurity = &kubevirtv1.LaunchSecurity{}
			},
			want: model.Wishes{Architecture: "s390x", CPUModel: model.CPUHostModel, SecureExecution: true},
		},
		"devices by name, not those by claim; TSC": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.Domain.Devices.GPUs = []kubevirtv1.GPU{{Name: "g", DeviceName: "nvidia.com/A10"}, {Name: "claimed"}}
				vmi.Spec.Domain.Devices.HostDevices = []kubevirtv1.HostDevice{{Name: "h", DeviceName: "intel.com/qat"}, {Name: "i", DeviceName: "intel.com/qat"}}
				vmi.Status.TopologyHints = &kubevirtv1.TopologyHints{TSCFrequency: ptr.To(int64(2_900_000_000))}
			},
			want: model.Wishes{CPUModel: model.CPUHostModel, Devices: []string{"intel.com/qat", "nvidia.com/A10"}, TSCFrequency: 2_900_000_000},
		},
		"where the owner wants it": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Spec.NodeSelector = map[string]string{"rack": "1"}
				vmi.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{}}}
			},
			want: model.Wishes{CPUModel: model.CPUHostModel, NodeSelector: map[string]string{"rack": "1"}, NodeAffinity: &corev1.NodeSelector{}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			vmi := &kubevirtv1.VirtualMachineInstance{}
			tc.change(vmi)
			if diff := cmp.Diff(&tc.want, VMFromVMI(vmi).Wishes); diff != "" {
				t.Errorf("wishes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVMFromVMI(t *testing.T) {
	external, now := kubevirtv1.EvictionStrategyExternal, metav1.Now()
	migrating := kubevirtv1.VirtualMachineInstanceMigrationState{MigrationUID: "m", SourceNode: "a", TargetNode: "b"}
	tests := map[string]struct {
		change vmiChange
		want   model.VM
	}{
		"identity, host, strategy, condition": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.UID, vmi.Namespace, vmi.Name = "u", "ns", "n"
				vmi.Status.NodeName, vmi.Status.EvacuationNodeName = "a", "a"
				vmi.Spec.EvictionStrategy = &external
				vmi.Status.Conditions = []kubevirtv1.VirtualMachineInstanceCondition{
					{Type: kubevirtv1.VirtualMachineInstanceReady, Status: corev1.ConditionTrue},
					{Type: kubevirtv1.VirtualMachineInstanceIsMigratable, Status: corev1.ConditionTrue},
				}
			},
			want: model.VM{UID: "u", Namespace: "ns", Name: "n", Host: "a", Evacuating: "a", Eviction: model.EvictionExternal, Migratable: true},
		},
		"not migratable": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Status.Conditions = []kubevirtv1.VirtualMachineInstanceCondition{{Type: kubevirtv1.VirtualMachineInstanceIsMigratable, Status: corev1.ConditionFalse}}
			},
		},
		"paused": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Status.Conditions = []kubevirtv1.VirtualMachineInstanceCondition{{Type: kubevirtv1.VirtualMachineInstancePaused, Status: corev1.ConditionTrue}}
			},
			want: model.VM{Paused: true},
		},
		"not paused any more": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Status.Conditions = []kubevirtv1.VirtualMachineInstanceCondition{{Type: kubevirtv1.VirtualMachineInstancePaused, Status: corev1.ConditionFalse}}
			},
		},
		"never to be preempted": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Annotations = map[string]string{"virt-scheduler.io/preemption": "Never"}
			},
			want: model.VM{PreemptionNever: true},
		},
		"migrating": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) { vmi.Status.MigrationState = &migrating },
			want:   model.VM{Move: model.Move{Migration: "m", Source: "a", Target: "b"}},
		},
		"moved": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Status.MigrationState = migrating.DeepCopy()
				vmi.Status.MigrationState.Completed = true
			},
			want: model.VM{Move: model.Move{Migration: "m", Source: "a", Target: "b", Ended: true}},
		},
		"failed": {
			change: func(vmi *kubevirtv1.VirtualMachineInstance) {
				vmi.Status.MigrationState = migrating.DeepCopy()
				vmi.Status.MigrationState.Failed = true
				vmi.Status.MigrationState.EndTimestamp = &now
			},
			want: model.VM{Move: model.Move{Migration: "m", Source: "a", Target: "b", Ended: true, Failed: true}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			vmi := &kubevirtv1.VirtualMachineInstance{}
			tc.change(vmi)
			tc.want.Size = model.Size{VCPUs: 1}
			tc.want.Wishes = &model.Wishes{CPUModel: model.CPUHostModel}
			if diff := cmp.Diff(&tc.want, VMFromVMI(vmi)); diff != "" {
				t.Errorf("VMFromVMI() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVMFromPod(t *testing.T) {
	pod := launcherPod(func(p *corev1.Pod) {
		p.Namespace = "ns"
		p.Annotations = map[string]string{"kubevirt.io/domain": "n", "virt-scheduler.io/preemption": "Never"}
		p.Spec.Containers[1].Resources.Requests = list("cpu", "400m")
		p.Spec.NodeSelector = map[string]string{"cpu-model.node.kubevirt.io/Penryn": "true"}
	})
	want := &model.VM{
		UID: "vmi-uid", Namespace: "ns", Name: "n", Guessed: true, Size: model.Size{VCPUs: 4},
		Wishes: &model.Wishes{CPUModel: "Penryn", NodeSelector: pod.Spec.NodeSelector}, PreemptionNever: true,
	}
	got, ok := VMFromPod(pod, DefaultCPUAllocationRatio)
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("VMFromPod() ok=%t (-want +got):\n%s", ok, diff)
	}
	if vm, ok := VMFromPod(&corev1.Pod{}, DefaultCPUAllocationRatio); ok {
		t.Errorf("a pod without labels is the VM %+v", vm)
	}
}

func TestPreemptionNever(t *testing.T) {
	tests := map[string]struct {
		annotations map[string]string
		want        bool
	}{
		"never":              {map[string]string{"virt-scheduler.io/preemption": "Never"}, true},
		"another value":      {map[string]string{"virt-scheduler.io/preemption": "never"}, false},
		"no value":           {map[string]string{"virt-scheduler.io/preemption": ""}, false},
		"another annotation": {map[string]string{"preemption": "Never"}, false},
		"no annotations":     {},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			meta := metav1.ObjectMeta{Annotations: tc.annotations}
			for kind, object := range map[string]metav1.Object{
				"pod": &corev1.Pod{ObjectMeta: meta}, "VirtualMachineInstance": &kubevirtv1.VirtualMachineInstance{ObjectMeta: meta},
			} {
				if got := PreemptionNever(object); got != tc.want {
					t.Errorf("PreemptionNever() of a %s: %t, want %t", kind, got, tc.want)
				}
			}
		})
	}
}

func TestAttachment(t *testing.T) {
	tests := map[string]bool{"hotplug-disk": true, "virt-launcher": false, "": false}
	for label, want := range tests {
		pod := &corev1.Pod{}
		pod.Labels = map[string]string{"kubevirt.io": label, "kubevirt.io/created-by": "u"}
		if got := Attachment(pod); got != want {
			t.Errorf("Attachment() of kubevirt.io=%q: %t, want %t", label, got, want)
		}
	}
}
