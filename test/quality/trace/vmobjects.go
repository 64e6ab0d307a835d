// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

const groupLabel = "sim.virt-scheduler.io/group"

// KubeVirt's estimate of what a VM needs beside the guest's memory (pkg/hypervisor/kvm, v1.8.2): launcher monitor, launcher,
// virtlogd, virtqemud, qemu; per vCPU; I/O thread; video memory; and for pods with guaranteed resources. Page tables are
// estimated from the VMI's own memory request, which VMs here, as most, do not set.
const (
	mib               = int64(1) << 20
	fixedOverhead     = (25 + 100 + 25 + 40 + 30) * mib
	overheadPerVCPU   = 8 * mib
	ioThreadOverhead  = 8 * mib
	videoOverhead     = 32 * mib
	dedicatedOverhead = 100 * mib
	// ephemeralStorage is what KubeVirt requests for every launcher pod.
	ephemeralStorage = 50_000_000
)

// Requests are what the launcher pod of a VM requests.
type Requests struct {
	// MilliCPU in thousandths of a CPU; Memory and HugePages in bytes.
	MilliCPU, Memory, HugePages int64
}

// Requests returns what virt-controller makes the VM's launcher pod request under the options' overcommit.
func (o Options) Requests(f Flavour) Requests {
	overhead := fixedOverhead + f.VCPUs*overheadPerVCPU + ioThreadOverhead + videoOverhead
	var r Requests
	if f.Dedicated {
		r.MilliCPU = (f.VCPUs + 1) * 1000 // and one for the isolated emulator
		overhead += dedicatedOverhead
	} else {
		r.MilliCPU = f.VCPUs * 1000 / o.CPUOvercommit
	}
	r.Memory = overhead
	if f.HugePages {
		r.HugePages = f.Memory
	} else {
		r.Memory += f.Memory * 100 / o.MemoryOvercommit
	}
	return r
}

// VMIUID of the i-th VM.
func VMIUID(i int) types.UID { return types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i)) }

// LauncherName of the i-th VM.
func (t *Trace) LauncherName(i int) string { return "virt-launcher-" + t.VMs[i].Name }

// VMI is the VirtualMachineInstance of the i-th VM; host is where it runs, or "" before it is placed.
func (t *Trace) VMI(i int, schedulerName, host string) *kubevirtv1.VirtualMachineInstance {
	vm := t.VMs[i]
	memory := bytes(vm.Flavour.Memory)
	vmi := &kubevirtv1.VirtualMachineInstance{
		TypeMeta: metav1.TypeMeta{APIVersion: kubevirtv1.GroupVersion.String(), Kind: "VirtualMachineInstance"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: Namespace, Name: vm.Name, UID: VMIUID(i), Labels: vm.labels(),
		},
		Spec: kubevirtv1.VirtualMachineInstanceSpec{
			SchedulerName: schedulerName, Architecture: arch,
			Domain: kubevirtv1.DomainSpec{
				CPU: &kubevirtv1.CPU{
					Sockets: uint32(vm.Flavour.VCPUs), Cores: 1, Threads: 1, Model: vm.cpuModel(),
					DedicatedCPUPlacement: vm.Flavour.Dedicated, IsolateEmulatorThread: vm.Flavour.Dedicated,
				},
				Memory: &kubevirtv1.Memory{Guest: &memory},
				Devices: kubevirtv1.Devices{
					Interfaces: []kubevirtv1.Interface{*kubevirtv1.DefaultMasqueradeNetworkInterface()},
				},
			},
			Networks: []kubevirtv1.Network{*kubevirtv1.DefaultPodNetwork()},
		},
		Status: kubevirtv1.VirtualMachineInstanceStatus{
			Phase: kubevirtv1.Scheduling,
			Conditions: []kubevirtv1.VirtualMachineInstanceCondition{{
				Type: kubevirtv1.VirtualMachineInstanceIsMigratable, Status: corev1.ConditionTrue,
			}},
		},
	}
	if vm.Flavour.HugePages {
		vmi.Spec.Domain.Memory.Hugepages = &kubevirtv1.Hugepages{PageSize: "2Mi"}
	}
	if host != "" {
		vmi.Status.Phase, vmi.Status.NodeName = kubevirtv1.Running, host
	}
	return vmi
}

func (vm VM) labels() map[string]string {
	return map[string]string{groupLabel: vm.Group, kubevirtv1.DeprecatedVirtualMachineNameLabel: vm.Name}
}

func (vm VM) cpuModel() string {
	if vm.CPUModel == "" {
		return kubevirtv1.CPUModeHostModel
	}
	return vm.CPUModel
}

// Launcher is the launcher pod of the i-th VM, as virt-controller makes it; what a scheduler does not look at is left out.
func (t *Trace) Launcher(i int, schedulerName string) *corev1.Pod {
	vm, uid := t.VMs[i], VMIUID(i)
	labels := vm.labels()
	labels[kubevirtv1.AppLabel] = "virt-launcher"
	labels[kubevirtv1.CreatedByLabel] = string(uid)
	selector := map[string]string{kubevirtv1.NodeSchedulable: "true", corev1.LabelArchStable: arch}
	if vm.Flavour.Dedicated {
		selector[kubevirtv1.CPUManager] = "true"
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: Namespace, Name: t.LauncherName(i), UID: types.UID(fmt.Sprintf("00000000-0000-4000-9000-%012d", i)),
			Labels:      labels,
			Annotations: map[string]string{kubevirtv1.DomainAnnotation: vm.Name},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(
				&metav1.ObjectMeta{Name: vm.Name, UID: uid}, kubevirtv1.VirtualMachineInstanceGroupVersionKind)},
		},
		Spec: corev1.PodSpec{
			SchedulerName: schedulerName, NodeSelector: selector, RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "compute", Image: launcherImage, ImagePullPolicy: corev1.PullIfNotPresent,
				Resources: t.Options.resources(vm.Flavour),
			}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	if vm.CPUModel != "" {
		selector[kubevirtv1.CPUModelLabel+vm.CPUModel] = "true"
	} else {
		pod.Spec.Affinity = notWithObsoleteModel()
	}
	return pod
}

// notWithObsoleteModel is what KubeVirt adds for guests with the host's model.
func notWithObsoleteModel() *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: kubevirtv1.NodeHostModelIsObsoleteLabel, Operator: corev1.NodeSelectorOpDoesNotExist},
		}}},
	}}}
}

func (o Options) resources(f Flavour) corev1.ResourceRequirements {
	r := o.Requests(f)
	requests := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewMilliQuantity(r.MilliCPU, resource.DecimalSI),
		corev1.ResourceMemory:           bytes(r.Memory),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(ephemeralStorage, resource.DecimalSI),
	}
	limits := corev1.ResourceList{}
	for _, device := range devices {
		name := corev1.ResourceName(devicePrefix + device)
		requests[name], limits[name] = resource.MustParse("1"), resource.MustParse("1")
	}
	if f.HugePages {
		requests[hugePagesResource], limits[hugePagesResource] = bytes(r.HugePages), bytes(r.HugePages)
	}
	if f.Dedicated {
		limits[corev1.ResourceCPU], limits[corev1.ResourceMemory] = requests[corev1.ResourceCPU], requests[corev1.ResourceMemory]
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}
}

// Services are what makes PodTopologySpread's system defaults act: they hold for pods that a Service selects, or that a
// ReplicaSet, StatefulSet or ReplicationController owns. A launcher pod is owned by its VMI, so only Services count.
func (t *Trace) Services() []*corev1.Service {
	var services []*corev1.Service
	last := ""
	for _, vm := range t.VMs {
		if !vm.Service || vm.Group == last {
			continue
		}
		last = vm.Group
		services = append(services, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: vm.Group, UID: types.UID("service-" + vm.Group)},
			Spec: corev1.ServiceSpec{
				Selector: map[string]string{groupLabel: vm.Group},
				Ports:    []corev1.ServicePort{{Port: 443}},
			},
		})
	}
	return services
}
