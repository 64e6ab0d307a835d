// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

const (
	// SchedulerName is the schedulerName of the default profile.
	SchedulerName = "virt-scheduler"
	// guestImage is never pulled: the pods of the embedded cluster are simulated.
	guestImage = "sim-guest:1"
	diskName   = "root"
	diskSize   = "1Gi"
)

// Object is the VirtualMachine as it is created.
func (v VM) Object(namespace string) *kubevirtv1.VirtualMachine {
	memory := *resource.NewQuantity(v.MemoryGiB<<30, resource.BinarySI)
	spec := kubevirtv1.VirtualMachineInstanceSpec{
		SchedulerName: SchedulerName,
		Domain: kubevirtv1.DomainSpec{
			CPU:    &kubevirtv1.CPU{Sockets: v.Sockets, Cores: v.Cores, Threads: v.Threads},
			Memory: &kubevirtv1.Memory{Guest: &memory},
			Devices: kubevirtv1.Devices{
				Disks: []kubevirtv1.Disk{{
					Name:       diskName,
					DiskDevice: kubevirtv1.DiskDevice{Disk: &kubevirtv1.DiskTarget{Bus: kubevirtv1.DiskBusVirtio}},
				}},
				// Masquerade is the binding with which a VM on the pod network can be live-migrated.
				Interfaces: []kubevirtv1.Interface{*kubevirtv1.DefaultMasqueradeNetworkInterface()},
			},
		},
		Networks: []kubevirtv1.Network{*kubevirtv1.DefaultPodNetwork()},
		Volumes:  []kubevirtv1.Volume{{Name: diskName, VolumeSource: v.source()}},
	}
	if v.EvictionStrategy != "" {
		spec.EvictionStrategy = &v.EvictionStrategy
	}
	return &kubevirtv1.VirtualMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v.Name},
		Spec: kubevirtv1.VirtualMachineSpec{
			RunStrategy: &v.RunStrategy,
			Template:    &kubevirtv1.VirtualMachineInstanceTemplateSpec{Spec: spec},
		},
	}
}

func (v VM) source() kubevirtv1.VolumeSource {
	if !v.Disk {
		return kubevirtv1.VolumeSource{ContainerDisk: &kubevirtv1.ContainerDiskSource{Image: guestImage}}
	}
	claim := corev1.PersistentVolumeClaimVolumeSource{ClaimName: v.Name}
	return kubevirtv1.VolumeSource{
		PersistentVolumeClaim: &kubevirtv1.PersistentVolumeClaimVolumeSource{PersistentVolumeClaimVolumeSource: claim},
	}
}

// Claim is the ReadWriteOnce volume claim of a VM with a disk, nil for the others.
func (v VM) Claim(namespace, storageClass string) *corev1.PersistentVolumeClaim {
	if !v.Disk {
		return nil
	}
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v.Name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: &storageClass,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(diskSize)},
			},
		},
	}
}
