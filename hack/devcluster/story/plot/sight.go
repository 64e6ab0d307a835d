// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// Sight is one VM as the API shows it at a moment.
type Sight struct {
	Name             string                               `json:"name"`
	RunStrategy      kubevirtv1.VirtualMachineRunStrategy `json:"runStrategy"`
	EvictionStrategy kubevirtv1.EvictionStrategy          `json:"evictionStrategy,omitempty"`
	// VMIUID, Phase and Node are those of its VirtualMachineInstance, empty without one.
	VMIUID string                                   `json:"vmiUID,omitempty"`
	Phase  kubevirtv1.VirtualMachineInstancePhase   `json:"phase,omitempty"`
	Node   string                                   `json:"node,omitempty"`
	Status kubevirtv1.VirtualMachinePrintableStatus `json:"status,omitempty"`
	// VCPUs and MemoryMiB are what the guest sees.
	VCPUs     int64 `json:"vcpus"`
	MemoryMiB int64 `json:"memoryMiB"`
	Disk      bool  `json:"disk,omitempty"`
	// Pods are its launcher pods.
	Pods []PodSight `json:"pods,omitempty"`
}

// PodSight is one launcher pod.
type PodSight struct {
	Name          string          `json:"name"`
	Node          string          `json:"node,omitempty"`
	Phase         corev1.PodPhase `json:"phase"`
	SchedulerName string          `json:"schedulerName"`
	// RequestMilliCPU is what the pod asks for, a tenth of what the guest sees.
	RequestMilliCPU int64 `json:"requestMilliCPU"`
}

// Running says whether the API shows a running guest.
func (s Sight) Running() bool { return s.Phase == kubevirtv1.Running }

// NodeSight is one node as the API shows it.
type NodeSight struct {
	Name      string         `json:"name"`
	Zone      string         `json:"zone"`
	CPUs      int64          `json:"cpus"`
	MemoryMiB int64          `json:"memoryMiB"`
	Ready     bool           `json:"ready"`
	BootID    string         `json:"bootID"`
	Taints    []corev1.Taint `json:"taints,omitempty"`
}

// View is what the API shows at a moment, by name.
type View struct {
	VMs   map[string]Sight
	Nodes map[string]NodeSight
}

// ViewOf folds what was listed into a view.
func ViewOf(
	vms []kubevirtv1.VirtualMachine, vmis []kubevirtv1.VirtualMachineInstance, pods []corev1.Pod, nodes []corev1.Node,
) View {
	view := View{VMs: map[string]Sight{}, Nodes: map[string]NodeSight{}}
	for i := range vms {
		view.VMs[vms[i].Name] = sightOf(&vms[i])
	}
	for i := range vmis {
		vmi := &vmis[i]
		if s, ok := view.VMs[vmi.Name]; ok {
			s.VMIUID, s.Phase, s.Node = string(vmi.UID), vmi.Status.Phase, vmi.Status.NodeName
			view.VMs[vmi.Name] = s
		}
	}
	for i := range pods {
		pod := &pods[i]
		name := pod.Annotations[kubevirtv1.DomainAnnotation]
		if s, ok := view.VMs[name]; ok {
			s.Pods = append(s.Pods, podSightOf(pod))
			view.VMs[name] = s
		}
	}
	for i := range nodes {
		view.Nodes[nodes[i].Name] = nodeSightOf(&nodes[i])
	}
	return view
}

func sightOf(vm *kubevirtv1.VirtualMachine) Sight {
	s := Sight{Name: vm.Name, Status: vm.Status.PrintableStatus}
	if vm.Spec.RunStrategy != nil {
		s.RunStrategy = *vm.Spec.RunStrategy
	}
	spec := &vm.Spec.Template.Spec
	if spec.EvictionStrategy != nil {
		s.EvictionStrategy = *spec.EvictionStrategy
	}
	if cpu := spec.Domain.CPU; cpu != nil {
		s.VCPUs = int64(max(cpu.Sockets, 1)) * int64(max(cpu.Cores, 1)) * int64(max(cpu.Threads, 1))
	}
	if memory := spec.Domain.Memory; memory != nil && memory.Guest != nil {
		s.MemoryMiB = memory.Guest.Value() >> 20
	}
	s.Disk = slices.ContainsFunc(spec.Volumes, func(v kubevirtv1.Volume) bool { return v.PersistentVolumeClaim != nil })
	return s
}

func podSightOf(pod *corev1.Pod) PodSight {
	s := PodSight{
		Name: pod.Name, Node: pod.Spec.NodeName, Phase: pod.Status.Phase, SchedulerName: pod.Spec.SchedulerName,
	}
	for _, c := range pod.Spec.Containers {
		s.RequestMilliCPU += c.Resources.Requests.Cpu().MilliValue()
	}
	return s
}

func nodeSightOf(node *corev1.Node) NodeSight {
	s := NodeSight{
		Name: node.Name, Zone: node.Labels[corev1.LabelTopologyZone], BootID: node.Status.NodeInfo.BootID,
		CPUs: node.Status.Allocatable.Cpu().Value(), MemoryMiB: node.Status.Allocatable.Memory().Value() >> 20,
		Taints: node.Spec.Taints,
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			s.Ready = c.Status == corev1.ConditionTrue
		}
	}
	return s
}

// On returns the running VMs of a node, by name.
func (v View) On(node string) []Sight {
	var on []Sight
	for _, s := range v.VMs {
		if s.Node == node && s.Running() {
			on = append(on, s)
		}
	}
	slices.SortFunc(on, func(a, b Sight) int { return cmp.Compare(a.Name, b.Name) })
	return on
}

// Load is what is placed on one node.
type Load struct {
	NodeSight
	VMs int `json:"vms"`
	// GuestCPUs and GuestMemoryMiB add up what the guests see, RequestMilliCPU what their pods ask for.
	GuestCPUs       int64 `json:"guestCPUs"`
	GuestMemoryMiB  int64 `json:"guestMemoryMiB"`
	RequestMilliCPU int64 `json:"requestMilliCPU"`
}

// CPUPercent is the share of the node's processors that its guests see as theirs; above 100 they share.
func (l Load) CPUPercent() int64 { return percent(l.GuestCPUs, l.CPUs) }

// MemoryPercent is the same of memory.
func (l Load) MemoryPercent() int64 { return percent(l.GuestMemoryMiB, l.MemoryMiB) }

// RequestPercent is the share of the node's processors that the pods ask for, which is all that a scheduler of pods sees.
func (l Load) RequestPercent() int64 { return percent(l.RequestMilliCPU, 1000*l.CPUs) }

func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return (200*part + whole) / (2 * whole)
}

// Loads returns the load of each node, by name and number.
func (v View) Loads() []Load {
	var loads []Load
	for _, node := range v.Nodes {
		load := Load{NodeSight: node}
		for _, s := range v.On(node.Name) {
			load.VMs++
			load.GuestCPUs += s.VCPUs
			load.GuestMemoryMiB += s.MemoryMiB
			for _, pod := range s.Pods {
				if pod.Node == node.Name && pod.Phase == corev1.PodRunning {
					load.RequestMilliCPU += pod.RequestMilliCPU
				}
			}
		}
		loads = append(loads, load)
	}
	slices.SortFunc(loads, func(a, b Load) int { return byNumber(a.Name, b.Name) })
	return loads
}

// byNumber orders node-2 before node-10.
func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
