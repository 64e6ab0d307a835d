// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	virtv1 "kubevirt.io/api/core/v1"
)

// machineType is what a q35 of the simulated qemu calls itself.
const machineType = "pc-q35-rhel9.6.0"

// update is the step that writes what change makes of the VMI, or none when it changes nothing.
func update(v View, node string, change func(*virtv1.VirtualMachineInstance)) Step {
	vmi := v.VMI.DeepCopy()
	change(vmi)
	if equality.Semantic.DeepEqual(v.VMI, vmi) {
		return Step{}
	}
	return Step{Do: UpdateVMI, Node: node, VMI: vmi}
}

// enter moves the VMI to a phase and notes when, as every writer of phases does.
func enter(vmi *virtv1.VirtualMachineInstance, phase virtv1.VirtualMachineInstancePhase, now time.Time) {
	if vmi.Status.Phase == phase {
		return
	}
	vmi.Status.Phase = phase
	for _, t := range vmi.Status.PhaseTransitionTimestamps {
		if t.Phase == phase {
			return
		}
	}
	vmi.Status.PhaseTransitionTimestamps = append(vmi.Status.PhaseTransitionTimestamps,
		virtv1.VirtualMachineInstancePhaseTransitionTimestamp{Phase: phase, PhaseTransitionTimestamp: metav1.NewTime(now)})
}

// run is what the first report of a live guest says.
func run(vmi *virtv1.VirtualMachineInstance, pod *corev1.Pod, now time.Time) {
	enter(vmi, virtv1.Running, now)
	report(vmi, pod, now)
}

// report brings the status of a live guest up to date.
func report(vmi *virtv1.VirtualMachineInstance, pod *corev1.Pod, now time.Time) {
	vmi.Status.SelinuxContext = "none" // makes the target pod's level a matter of no interest
	if vmi.Status.Machine == nil {
		vmi.Status.Machine = &virtv1.Machine{Type: machineType}
	}
	if m := vmi.Status.Memory; m != nil && m.GuestCurrent == nil && m.GuestAtBoot != nil {
		current := m.GuestAtBoot.DeepCopy()
		m.GuestCurrent = &current
	}
	vmi.Status.MigrationMethod = virtv1.LiveMigration
	if blockMigration(vmi) {
		vmi.Status.MigrationMethod = virtv1.BlockMigration
	}
	reportAddress(vmi, pod)
	reason, err := notMigratable(vmi)
	setCondition(vmi, virtv1.VirtualMachineInstanceIsMigratable, reason, err, now)
	storageReason, storageErr := guestNotMigratable(vmi)
	if storageErr != nil {
		storageErr = fmt.Errorf("%s: %w", storageReason, storageErr)
		storageReason = virtv1.VirtualMachineInstanceReasonNotMigratable
	}
	setCondition(vmi, virtv1.VirtualMachineInstanceIsStorageLiveMigratable, storageReason, storageErr, now)
}

// reportAddress gives the interface on the pod network the pod's addresses.
func reportAddress(vmi *virtv1.VirtualMachineInstance, pod *corev1.Pod) {
	network := podNetwork(vmi)
	if network == "" || pod.Status.PodIP == "" {
		return
	}
	var ips []string
	for _, ip := range pod.Status.PodIPs {
		ips = append(ips, ip.IP)
	}
	for i := range vmi.Status.Interfaces {
		iface := &vmi.Status.Interfaces[i]
		if iface.Name == network && iface.IP != pod.Status.PodIP {
			iface.IP, iface.IPs = pod.Status.PodIP, ips
		}
	}
}

// setCondition sets a condition true, or false because of err. It leaves one that says so already alone, times and all.
func setCondition(vmi *virtv1.VirtualMachineInstance, kind virtv1.VirtualMachineInstanceConditionType,
	reason string, err error, now time.Time,
) {
	// Both times are set: virt-controller's JSON patches test the list as it marshals it, and a missing time
	// comes back as null.
	want := virtv1.VirtualMachineInstanceCondition{
		Type: kind, Status: corev1.ConditionTrue,
		LastProbeTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now),
	}
	if err != nil {
		want.Status, want.Reason, want.Message = corev1.ConditionFalse, reason, err.Error()
	}
	i := slices.IndexFunc(vmi.Status.Conditions,
		func(c virtv1.VirtualMachineInstanceCondition) bool { return c.Type == kind })
	if i < 0 {
		vmi.Status.Conditions = append(vmi.Status.Conditions, want)
		return
	}
	have := &vmi.Status.Conditions[i]
	if have.Status != want.Status || have.Reason != want.Reason || have.Message != want.Message {
		*have = want
	}
}

// notMigratable says why a guest can't be live migrated, in virt-handler's order.
func notMigratable(vmi *virtv1.VirtualMachineInstance) (string, error) {
	if reason, err := guestNotMigratable(vmi); err != nil {
		return reason, err
	}
	if err := disksNotMigratable(vmi); err != nil {
		return virtv1.VirtualMachineInstanceReasonDisksNotMigratable, err
	}
	return "", nil
}

// guestNotMigratable leaves the disks out of account: they can move by themselves.
func guestNotMigratable(vmi *virtv1.VirtualMachineInstance) (string, error) {
	if err := networkNotMigratable(vmi); err != nil {
		return virtv1.VirtualMachineInstanceReasonInterfaceNotMigratable, err
	}
	if d := vmi.Spec.Domain.Devices; len(d.HostDevices) > 0 || len(d.GPUs) > 0 {
		return virtv1.VirtualMachineInstanceReasonHostDeviceNotMigratable, errors.New("the VMI uses host devices")
	}
	return "", nil
}

func podNetwork(vmi *virtv1.VirtualMachineInstance) string {
	for _, n := range vmi.Spec.Networks {
		if n.Pod != nil {
			return n.Name
		}
	}
	return ""
}

func networkNotMigratable(vmi *virtv1.VirtualMachineInstance) error {
	name := podNetwork(vmi)
	if name == "" {
		return nil
	}
	for _, iface := range vmi.Spec.Domain.Devices.Interfaces {
		if iface.Name != name {
			continue
		}
		_, allowed := vmi.Annotations[virtv1.AllowPodBridgeNetworkLiveMigrationAnnotation]
		if iface.Masquerade != nil || iface.PasstBinding != nil || (iface.Bridge != nil && allowed) {
			return nil
		}
	}
	return errors.New("the interface on the pod network is neither masquerade nor a bridge that is allowed to migrate")
}

func disksNotMigratable(vmi *virtv1.VirtualMachineInstance) error {
	for _, volume := range vmi.Spec.Volumes {
		if volume.HostDisk != nil && (volume.HostDisk.Shared == nil || !*volume.HostDisk.Shared) {
			return errors.New("the VMI has a host disk that is not shared")
		}
		if volume.PersistentVolumeClaim == nil && volume.DataVolume == nil {
			continue
		}
		if !sharedVolume(vmi, volume.Name) {
			return fmt.Errorf("PVC %s is not shared: to be live migrated, all PVCs of a VMI must have the access mode "+
				"ReadWriteMany", claimName(volume))
		}
	}
	return nil
}

func claimName(volume virtv1.Volume) string {
	if volume.PersistentVolumeClaim != nil {
		return volume.PersistentVolumeClaim.ClaimName
	}
	return volume.DataVolume.Name
}

func sharedVolume(vmi *virtv1.VirtualMachineInstance, name string) bool {
	for _, status := range vmi.Status.VolumeStatus {
		if status.Name == name && status.PersistentVolumeClaimInfo != nil {
			return slices.Contains(status.PersistentVolumeClaimInfo.AccessModes, corev1.ReadWriteMany)
		}
	}
	return false
}

// blockMigration says whether disks that are not shared have to be copied too.
func blockMigration(vmi *virtv1.VirtualMachineInstance) bool {
	for _, volume := range vmi.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil && volume.DataVolume == nil || !sharedVolume(vmi, volume.Name) {
			return true
		}
	}
	return false
}
