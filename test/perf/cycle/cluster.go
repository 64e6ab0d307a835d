// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// seed makes all clusters and arrivals the same in every run.
const seed = 3

// What a host has, what KubeVirt adds to a launcher's memory request, and its default ratio of vCPUs to requested CPUs.
const (
	hostCPUs           = 64
	hostMemory         = 512 << 30
	hostPods           = 250
	hostDevices        = 1000
	launcherOverhead   = 260 << 20
	cpuAllocationRatio = 10
	zones              = 3
)

// Labels as KubeVirt's node-labeller writes them, about as many as it finds on a server of our days: matching a
// selector costs what it costs on a map of this size.
var cpuModels = []string{
	"Conroe", "Penryn", "Nehalem", "Westmere", "SandyBridge", "IvyBridge", "Haswell", "Haswell-noTSX", "Broadwell", "Broadwell-noTSX",
	"Skylake-Client", "Skylake-Server", "Cascadelake-Server", "Icelake-Server", "Sapphirerapids",
}

var cpuFeatures = []string{
	"acpi", "adx", "aes", "apic", "arat", "avx", "avx2", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl", "bmi1", "bmi2", "clflushopt", "clwb",
	"erms", "f16c", "fma", "fsgsbase", "gfni", "hle", "invpcid", "ibpb", "ibrs", "lzcnt", "md-clear", "movbe", "mpx", "pcid", "pclmuldq", "pdpe1gb",
	"pku", "popcnt", "rdrand", "rdseed", "rdtscp", "smap", "smep", "spec-ctrl", "ssbd", "stibp", "tsc-deadline", "vaes", "vmx", "vpclmulqdq", "xsave", "xsavec",
}

// host returns the index-th node: one size, three zones, labelled as KubeVirt labels its nodes, with a virt-handler that has
// just given a sign of life.
func host(index int) *corev1.Node {
	name := hostName(index)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID("uid-" + name),
		Labels: map[string]string{
			corev1.LabelHostname: name, corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux",
			corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", index%zones), corev1.LabelTopologyRegion: "region-1",
			"node-role.kubernetes.io/worker": "", kubevirtv1.NodeSchedulable: "true",
			kubevirtv1.CPUModelVendorLabel + "Intel":                     "true",
			kubevirtv1.HostModelCPULabel + "Icelake-Server":              "true",
			kubevirtv1.SupportedHostModelMigrationCPU + "Icelake-Server": "true", kubevirtv1.SupportedHostModelMigrationCPU + "Skylake": "true",
			kubevirtv1.SupportedMachineTypeLabel + "q35": "true",
		},
		Annotations: map[string]string{kubevirtv1.VirtHandlerHeartbeat: metav1.Now().UTC().Format("2006-01-02T15:04:05Z")},
	}}
	for _, model := range cpuModels {
		node.Labels[kubevirtv1.CPUModelLabel+model] = "true"
	}
	for _, feature := range cpuFeatures {
		node.Labels[kubevirtv1.CPUFeatureLabel+feature] = "true"
		node.Labels[kubevirtv1.HostModelRequiredFeaturesLabel+feature] = "true"
	}
	node.Status.Capacity = corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(hostCPUs, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(hostMemory, resource.BinarySI),
		corev1.ResourcePods: *resource.NewQuantity(hostPods, resource.DecimalSI), corev1.ResourceEphemeralStorage: *resource.NewQuantity(1<<40, resource.BinarySI),
		"devices.kubevirt.io/kvm": *resource.NewQuantity(hostDevices, resource.DecimalSI), "devices.kubevirt.io/tun": *resource.NewQuantity(hostDevices, resource.DecimalSI),
		"devices.kubevirt.io/vhost-net": *resource.NewQuantity(hostDevices, resource.DecimalSI),
	}
	node.Status.Allocatable = node.Status.Capacity
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return node
}

func hostName(index int) string { return fmt.Sprintf("host-%05d", index) }

// arrival is a pod and, when it is a VM's launcher, its VMI.
type arrival struct {
	pod *corev1.Pod
	vmi *kubevirtv1.VirtualMachineInstance
}

func (a arrival) create(api *simapi.API) {
	if a.vmi != nil {
		api.SetVMI(a.vmi)
	}
	api.SetPod(a.pod)
}

func (a arrival) remove(api *simapi.API) {
	api.DeletePod(a.pod.Namespace, a.pod.Name)
	if a.vmi != nil {
		api.DeleteVMI(a.vmi.Namespace, a.vmi.Name)
	}
}

// workload makes the pods that are scheduled, or are there before: the index-th of a series of names that begin with
// series. Of what random gives it all that differs comes.
type workload func(series string, index int, random *rand.Rand) arrival

// plainPod is a pod of a Deployment.
func plainPod(series string, index int, _ *rand.Rand) arrival {
	pod := newPod(nameOf(series, index))
	pod.Labels = map[string]string{"app": "plain", "pod-template-hash": "5d69b4c8f7"}
	pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "registry.invalid/app:1", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
	}}}
	return arrival{pod: pod}
}

// vm is a VM of 1 to 8 vCPUs with 2 GiB each, and its launcher pod as virt-controller writes it.
func vm(series string, index int, random *rand.Rand) arrival {
	name := nameOf(series, index)
	vcpus := []uint32{1, 2, 2, 4, 4, 8}[random.Intn(6)]
	guest := *resource.NewQuantity(int64(vcpus)<<31, resource.BinarySI)
	vmi := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID("vmi-" + name)}}
	vmi.Spec.Architecture = "amd64"
	vmi.Spec.Domain.Machine = &kubevirtv1.Machine{Type: "q35"}
	vmi.Spec.Domain.CPU = &kubevirtv1.CPU{Sockets: vcpus, Cores: 1, Threads: 1, Model: kubevirtv1.CPUModeHostModel}
	vmi.Spec.Domain.Memory = &kubevirtv1.Memory{Guest: &guest}
	vmi.Spec.Domain.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: guest}
	vmi.Status.Phase = kubevirtv1.Scheduling
	vmi.Status.Conditions = []kubevirtv1.VirtualMachineInstanceCondition{{Type: kubevirtv1.VirtualMachineInstanceIsMigratable, Status: corev1.ConditionTrue}}

	pod := newPod(name)
	pod.Labels = map[string]string{kubevirtv1.AppLabel: "virt-launcher", kubevirtv1.CreatedByLabel: string(vmi.UID), "vm.kubevirt.io/name": name}
	pod.Annotations = map[string]string{kubevirtv1.DomainAnnotation: name}
	controller := true
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: kubevirtv1.GroupVersion.String(), Kind: "VirtualMachineInstance", Name: name, UID: vmi.UID, Controller: &controller,
	}}
	pod.Spec.NodeSelector = map[string]string{
		kubevirtv1.NodeSchedulable: "true", corev1.LabelArchStable: "amd64", kubevirtv1.SupportedMachineTypeLabel + "q35": "true",
	}
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: kubevirtv1.NodeHostModelIsObsoleteLabel, Operator: corev1.NodeSelectorOpDoesNotExist},
		}}},
	}}}
	one := resource.MustParse("1")
	pod.Spec.Containers = []corev1.Container{{Name: "compute", Image: "registry.invalid/virt-launcher:1", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:        *resource.NewMilliQuantity(int64(vcpus)*1000/cpuAllocationRatio, resource.DecimalSI),
			corev1.ResourceMemory:     *resource.NewQuantity(guest.Value()+launcherOverhead, resource.BinarySI),
			"devices.kubevirt.io/kvm": one, "devices.kubevirt.io/tun": one, "devices.kubevirt.io/vhost-net": one,
		},
		Limits: corev1.ResourceList{"devices.kubevirt.io/kvm": one, "devices.kubevirt.io/tun": one, "devices.kubevirt.io/vhost-net": one},
	}}}
	return arrival{pod: pod, vmi: vmi}
}

func nameOf(series string, index int) string { return fmt.Sprintf("%s-%06d", series, index) }

func newPod(name string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID("pod-" + name), CreationTimestamp: metav1.Now(),
	}}
	pod.Status.Phase = corev1.PodPending
	pod.Spec.TerminationGracePeriodSeconds = new(int64)
	pod.Spec.Tolerations = []corev1.Toleration{ // as admission adds them to every pod
		{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: seconds(300)},
		{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: seconds(300)},
	}
	return pod
}

func seconds(n int64) *int64 { return &n }

// beat gives all hosts a new sign of life.
func beat(api *simapi.API, nodes int) {
	for i := range nodes {
		api.SetNode(host(i))
	}
}

// populate puts hosts into the API, and running VMs of a kind on hosts drawn at random.
func populate(api *simapi.API, nodes, vms int, kind workload) {
	for _, there := range populatePods(api, nodes, vms, kind) {
		if there.vmi != nil {
			api.SetVMI(there.vmi)
		}
	}
}

// populatePods is populate without VirtualMachineInstances, which it leaves to its caller.
func populatePods(api *simapi.API, nodes, vms int, kind workload) []arrival {
	random := rand.New(rand.NewSource(seed))
	beat(api, nodes)
	all := make([]arrival, 0, vms)
	for i := range vms {
		there := kind("there", i, random)
		there.pod.Spec.NodeName = hostName(random.Intn(nodes))
		there.pod.Status.Phase = corev1.PodRunning
		there.vmi.Status.Phase = kubevirtv1.Running
		there.vmi.Status.NodeName = there.pod.Spec.NodeName
		api.SetPod(there.pod)
		all = append(all, there)
	}
	return all
}
