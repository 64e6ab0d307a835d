// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// View is what is known of one VMI and the machines it has to do with.
type View struct {
	Now    time.Time
	Timing Timing
	VMI    *virtv1.VirtualMachineInstance
	// Pods are the launcher pods that the VMI controls.
	Pods    []*corev1.Pod
	Machine func(node string) simhost.HostState
	// Guest is the VMI's live guest, Move its migration; nil when there is none.
	Guest *guests.Guest
	Move  *guests.Move
	// Exit tells how the guest of a launcher pod ended.
	Exit func(pod types.UID) (guests.Exit, bool)
	// Attached says whether a node's kubelet has dealt with the pods of the boot before.
	Attached func(node string) bool
	// VolumesReady says whether all volumes of a pod are attached to its node.
	VolumesReady func(*corev1.Pod) bool
}

// NextVMI is what virt-handler does next about a VMI, on whichever node it is to be done.
func NextVMI(v View) Step {
	if v.VMI.IsFinal() || v.VMI.DeletionTimestamp != nil {
		if v.Guest != nil && HandlerActs(v.Machine(v.Guest.Node)) {
			return Step{Do: StopGuest, Guest: *v.Guest, Why: simhost.WhyShutDown}
		}
	}
	if v.VMI.IsFinal() {
		if v.Move != nil {
			return Step{Do: EndMove}
		}
		return Step{}
	}
	if v.VMI.DeletionTimestamp == nil {
		if step := nextMigration(v); step.Do != Nothing || step.After > 0 {
			return step
		}
		if copying(v.VMI.Status.MigrationState) {
			// virt-handler leaves a VMI alone while its migration runs, even when no guest is left.
			return Step{}
		}
	}
	return nextPhase(v)
}

// Stray is what virt-handler does about a guest whose VMI is no more, or was made anew under the same name.
func Stray(g guests.Guest, machine simhost.HostState) Step {
	if !HandlerActs(machine) {
		return Step{}
	}
	return Step{Do: StopGuest, Guest: g, Why: simhost.WhyShutDown}
}

func nextPhase(v View) Step {
	node := owner(v.VMI)
	if node == "" || !HandlerActs(v.Machine(node)) {
		return Step{}
	}
	pod := currentPod(v, node)
	switch v.VMI.Status.Phase {
	case virtv1.Scheduled:
		return nextScheduled(v, node, pod)
	case virtv1.Running:
		return nextRunning(v, node, pod)
	default: // the others are virt-controller's
		return Step{}
	}
}

func nextScheduled(v View, node string, pod *corev1.Pod) Step {
	if pod == nil {
		return Step{} // virt-controller fails it
	}
	if v.Guest != nil {
		if v.Guest.Node != node {
			return Step{}
		}
		return update(v, node, func(vmi *virtv1.VirtualMachineInstance) { run(vmi, pod, v.Now) })
	}
	if exit, ok := v.Exit(pod.UID); ok {
		return ended(v, node, exit)
	}
	if podDown(pod) {
		return setPhase(v, node, virtv1.Failed)
	}
	machine := v.Machine(node)
	if v.VMI.DeletionTimestamp != nil || pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning ||
		EarlierBoot(pod, machine) || !v.Attached(node) {
		return Step{}
	}
	if !v.VolumesReady(pod) {
		return wait(time.Second)
	}
	return Step{Do: StartGuest, Node: node, Pod: pod}
}

func nextRunning(v View, node string, pod *corev1.Pod) Step {
	if v.Guest != nil {
		if v.Guest.Node != node || pod == nil || v.VMI.DeletionTimestamp != nil {
			return Step{}
		}
		return update(v, node, func(vmi *virtv1.VirtualMachineInstance) { report(vmi, pod, v.Now) })
	}
	if pod != nil {
		if exit, ok := v.Exit(pod.UID); ok {
			return ended(v, node, exit)
		}
	}
	// A handler that finds no domain of a running VMI on its node gives it up: so it is after a reboot.
	return setPhase(v, node, virtv1.Failed)
}

// ended gives up a VMI whose guest is gone. One that was migrated away counts as lost, too: a handler that still owns
// the VMI, with no migration under way, is not told where it went.
func ended(v View, node string, exit guests.Exit) Step {
	if exit.Why == simhost.WhyShutDown {
		return setPhase(v, node, virtv1.Succeeded)
	}
	return setPhase(v, node, virtv1.Failed)
}

func setPhase(v View, node string, phase virtv1.VirtualMachineInstancePhase) Step {
	return update(v, node, func(vmi *virtv1.VirtualMachineInstance) { enter(vmi, phase, v.Now) })
}

// owner is the node whose handler owns the VMI's phase.
func owner(vmi *virtv1.VirtualMachineInstance) string {
	if vmi.Status.NodeName != "" {
		return vmi.Status.NodeName
	}
	return vmi.Labels[virtv1.NodeNameLabel]
}

// currentPod is the newest launcher pod of the VMI on the node.
func currentPod(v View, node string) *corev1.Pod {
	var newest *corev1.Pod
	for _, pod := range v.Pods {
		if pod.Spec.NodeName != node {
			continue
		}
		if newest == nil || newest.CreationTimestamp.Before(&pod.CreationTimestamp) {
			newest = pod
		}
	}
	return newest
}

func podDown(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// EarlierBoot says whether a pod that seems to run was started before its machine was last switched on. Its times are
// whole seconds, cut off.
func EarlierBoot(pod *corev1.Pod, machine simhost.HostState) bool {
	if machine.Power != simhost.PowerOn {
		return false
	}
	for _, status := range pod.Status.ContainerStatuses {
		if r := status.State.Running; r != nil && r.StartedAt.Add(time.Second).Before(machine.PowerChangedAt) {
			return true
		}
	}
	return false
}

func timestamp(now time.Time) *metav1.Time {
	t := metav1.NewTime(now)
	return &t
}
