// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
)

// groupLabel on a VM says of which group it is.
const groupLabel = "e2e.virt-scheduler.io/group"

// schedulerName is the default profile's.
const schedulerName = "virt-scheduler"

// vmBuilder makes a VirtualMachine of a stage.
type vmBuilder struct {
	vm    *kubevirtv1.VirtualMachine
	claim *corev1.PersistentVolumeClaim
}

// newVM is a VM of 1 vCPU and 1 GiB for the nodes that the stage has admitted; Always, live-migratable, without a volume.
func (s *stage) newVM(name string) *vmBuilder {
	always := kubevirtv1.RunStrategyAlways
	guest := resource.MustParse("1Gi")
	return &vmBuilder{vm: &kubevirtv1.VirtualMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name},
		Spec: kubevirtv1.VirtualMachineSpec{
			RunStrategy: &always,
			Template: &kubevirtv1.VirtualMachineInstanceTemplateSpec{Spec: kubevirtv1.VirtualMachineInstanceSpec{
				SchedulerName: schedulerName,
				NodeSelector:  map[string]string{poolLabel: s.ns},
				Domain: kubevirtv1.DomainSpec{
					CPU:    &kubevirtv1.CPU{Cores: 1},
					Memory: &kubevirtv1.Memory{Guest: &guest},
					Devices: kubevirtv1.Devices{
						Disks: []kubevirtv1.Disk{{
							Name: "root", DiskDevice: kubevirtv1.DiskDevice{Disk: &kubevirtv1.DiskTarget{Bus: kubevirtv1.DiskBusVirtio}},
						}},
						Interfaces: []kubevirtv1.Interface{*kubevirtv1.DefaultMasqueradeNetworkInterface()},
					},
				},
				Networks: []kubevirtv1.Network{*kubevirtv1.DefaultPodNetwork()},
				Volumes: []kubevirtv1.Volume{{
					Name:         "root",
					VolumeSource: kubevirtv1.VolumeSource{ContainerDisk: &kubevirtv1.ContainerDiskSource{Image: "sim-guest:1"}},
				}},
			}},
		},
	}}
}

func (b *vmBuilder) RunStrategy(r kubevirtv1.VirtualMachineRunStrategy) *vmBuilder {
	b.vm.Spec.RunStrategy = &r
	return b
}

func (b *vmBuilder) EvictionStrategy(e kubevirtv1.EvictionStrategy) *vmBuilder {
	b.vm.Spec.Template.Spec.EvictionStrategy = &e
	return b
}

func (b *vmBuilder) Annotation(key, value string) *vmBuilder {
	metav1.SetMetaDataAnnotation(&b.vm.Spec.Template.ObjectMeta, key, value)
	return b
}

// Memory is what the guest sees: "30Gi".
func (b *vmBuilder) Memory(size string) *vmBuilder {
	guest := resource.MustParse(size)
	b.vm.Spec.Template.Spec.Domain.Memory.Guest = &guest
	return b
}

// Priority chooses a PriorityClass.
func (b *vmBuilder) Priority(class string) *vmBuilder {
	b.vm.Spec.Template.Spec.PriorityClassName = class
	return b
}

// Scheduler chooses a profile other than the default.
func (b *vmBuilder) Scheduler(name string) *vmBuilder {
	b.vm.Spec.Template.Spec.SchedulerName = name
	return b
}

// Node lets the VM run on one node only.
func (b *vmBuilder) Node(name string) *vmBuilder {
	b.vm.Spec.Template.Spec.NodeSelector[corev1.LabelHostname] = name
	return b
}

// Toleration makes the VM tolerate every taint with the key, or with "" every taint.
func (b *vmBuilder) Toleration(key string) *vmBuilder {
	b.vm.Spec.Template.Spec.Tolerations = append(b.vm.Spec.Template.Spec.Tolerations,
		corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
	return b
}

// Group labels the VM as one of a group.
func (b *vmBuilder) Group(name string) *vmBuilder {
	metav1.SetMetaDataLabel(&b.vm.Spec.Template.ObjectMeta, groupLabel, name)
	return b
}

// Apart keeps the VM, by a requirement, out of the topology values in which others of a group are.
func (b *vmBuilder) Apart(group, topologyKey string) *vmBuilder {
	b.vm.Spec.Template.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{groupTerm(group, topologyKey)},
	}}
	return b
}

// Together keeps the VM, by a requirement, in a topology value in which others of a group are.
func (b *vmBuilder) Together(group, topologyKey string) *vmBuilder {
	b.vm.Spec.Template.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{groupTerm(group, topologyKey)},
	}}
	return b
}

func groupTerm(group, topologyKey string) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{LabelSelector: metav1.SetAsLabelSelector(map[string]string{groupLabel: group}), TopologyKey: topologyKey}
}

// Disk puts the VM on a ReadWriteOnce volume of the simulated storage.
func (b *vmBuilder) Disk() *vmBuilder {
	class := cluster.StorageClass
	b.claim = &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.vm.Namespace, Name: b.vm.Name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
	}
	b.vm.Spec.Template.Spec.Volumes[0].VolumeSource = kubevirtv1.VolumeSource{
		PersistentVolumeClaim: &kubevirtv1.PersistentVolumeClaimVolumeSource{
			PersistentVolumeClaimVolumeSource: corev1.PersistentVolumeClaimVolumeSource{ClaimName: b.vm.Name},
		},
	}
	return b
}

// create makes the VMs.
func (s *stage) create(vms ...*vmBuilder) {
	s.t.Helper()
	for _, b := range vms {
		if b.claim != nil {
			s.must(s.client.Create(s.ctx, b.claim))
		}
		// KubeVirt's webhooks read what was made just before through their caches.
		s.await("VM "+b.vm.Name+" to be accepted", 20*time.Second, func() (bool, string, error) {
			err := s.client.Create(s.ctx, b.vm.DeepCopy())
			return err == nil || apierrors.IsAlreadyExists(err), "", err
		})
	}
}

// start asks KubeVirt to start a Manual VM.
func (s *stage) start(name string) {
	s.t.Helper()
	s.await("KubeVirt to start VM "+name, 30*time.Second, func() (bool, string, error) {
		err := s.kube.CoreV1().RESTClient().Put().
			AbsPath("/apis/subresources.kubevirt.io/v1/namespaces", s.ns, "virtualmachines", name, "start").
			Body([]byte("{}")).SetHeader("Content-Type", "application/json").Do(s.ctx).Error()
		return err == nil, "", err
	})
}

func (s *stage) vmi(name string) (*kubevirtv1.VirtualMachineInstance, error) {
	vmi := &kubevirtv1.VirtualMachineInstance{}
	err := s.client.Get(s.ctx, client.ObjectKey{Namespace: s.ns, Name: name}, vmi)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // no VMI is an answer, and not an error
	}
	return vmi, err
}

// awaitRunning waits until the VM's VMI runs, other than one with the UID not, and has a live guest; it returns the VMI.
func (s *stage) awaitRunning(name string, within time.Duration, not types.UID) *kubevirtv1.VirtualMachineInstance {
	s.t.Helper()
	var found *kubevirtv1.VirtualMachineInstance
	s.await("VM "+name+" to run", within, func() (bool, string, error) {
		vmi, err := s.vmi(name)
		if err != nil || vmi == nil {
			return false, "no VMI", err
		}
		found = vmi
		guests := s.liveGuests(name)
		seen := fmt.Sprintf("VMI %s is %s on %q, live guests: %v", vmi.UID, vmi.Status.Phase, vmi.Status.NodeName, guests)
		done := vmi.UID != not && vmi.Status.Phase == kubevirtv1.Running && len(guests) == 1 && guests[0].Node == vmi.Status.NodeName
		return done, seen, nil
	})
	return found
}

// launcherPods returns the VM's launcher pods.
func (s *stage) launcherPods(vm string) []corev1.Pod {
	s.t.Helper()
	var pods corev1.PodList
	s.must(s.client.List(s.ctx, &pods, client.InNamespace(s.ns), client.MatchingLabels{
		kubevirtv1.AppLabel: "virt-launcher", kubevirtv1.DeprecatedVirtualMachineNameLabel: vm,
	}))
	return pods.Items
}
