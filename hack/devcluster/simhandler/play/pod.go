// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// PodView is what is known of one launcher pod.
type PodView struct {
	Now     time.Time
	Timing  Timing
	Pod     *corev1.Pod
	Machine simhost.HostState
	// Attached says whether the kubelet has dealt with the pods of the boot before.
	Attached bool
	// VMI is the pod's controller, nil when it is gone or was made anew.
	VMI *virtv1.VirtualMachineInstance
	// Guest is the live guest in this very pod, Exit how it ended; nil when there is none.
	Guest *guests.Guest
	Exit  *guests.Exit
	// VolumesReady says whether all volumes of the pod are attached to its node.
	VolumesReady bool
	// HostIP and PodIP are the addresses that the pod gets when it starts.
	HostIP, PodIP string
}

// NextPod is what the kubelet does next about a launcher pod of its node.
func NextPod(v PodView) Step {
	if v.Pod.Spec.NodeName == "" || !KubeletActs(v.Machine) || !v.Attached {
		return Step{}
	}
	switch {
	case v.Pod.DeletionTimestamp != nil:
		return terminate(v)
	case podDown(v.Pod):
		return Step{}
	case v.Pod.Status.Phase == corev1.PodRunning:
		return watch(v)
	case !v.VolumesReady:
		return wait(time.Second)
	default:
		return patchPod(v, startPod)
	}
}

// terminate ends the guest in good order, lets virt-handler say so while the pod still stands, and lets go of the pod.
func terminate(v PodView) Step {
	if v.Guest != nil {
		return Step{Do: StopGuest, Node: v.Pod.Spec.NodeName, Guest: *v.Guest, Why: simhost.WhyShutDown}
	}
	reported := v.VMI == nil || v.VMI.IsFinal() || owner(v.VMI) != v.Pod.Spec.NodeName || !HandlerActs(v.Machine)
	if v.Exit != nil && v.Exit.Why == simhost.WhyShutDown && !reported {
		if since := v.Now.Sub(v.Exit.At); since < v.Timing.Farewell {
			return wait(v.Timing.Farewell - since)
		}
	}
	return Step{Do: DeletePod, Node: v.Pod.Spec.NodeName, Pod: v.Pod}
}

// watch is a running pod: its containers end when there is nothing left in it to run.
func watch(v PodView) Step {
	switch {
	case EarlierBoot(v.Pod, v.Machine):
		return patchPod(v, failPod)
	case v.Guest != nil:
		return patchPod(v, readyPod)
	case v.Exit != nil && v.Exit.Clean():
		return patchPod(v, endPod)
	case v.Exit != nil:
		return patchPod(v, failPod)
	case HandlerActs(v.Machine) && v.VMI != nil && (v.VMI.IsFinal() || idleTarget(v)):
		// virt-handler told the launcher to go.
		return patchPod(v, endPod)
	default:
		return patchPod(v, readyPod)
	}
}

// idleTarget says whether the pod is the target of a migration that failed.
func idleTarget(v PodView) bool {
	state := v.VMI.Status.MigrationState
	job := v.Pod.Labels[virtv1.MigrationJobLabel]
	return state != nil && state.Failed && job != "" && job == string(state.MigrationUID) &&
		v.VMI.Status.NodeName != v.Pod.Spec.NodeName
}

// FailedByReboot is the pod as a kubelet reports it that finds its containers gone after a boot; nil when there is
// nothing to report.
func FailedByReboot(pod *corev1.Pod, now time.Time) *corev1.Pod {
	if podDown(pod) || pod.Status.Phase != corev1.PodRunning {
		return nil
	}
	failed := pod.DeepCopy()
	failPod(failed, PodView{Now: now})
	return failed
}

func patchPod(v PodView, change func(*corev1.Pod, PodView)) Step {
	pod := v.Pod.DeepCopy()
	change(pod, v)
	if samePodStatus(&v.Pod.Status, &pod.Status) {
		return Step{}
	}
	return Step{Do: PatchPod, Node: v.Pod.Spec.NodeName, Pod: pod}
}

// samePodStatus leaves the times of conditions out of account.
func samePodStatus(a, b *corev1.PodStatus) bool {
	if a.Phase != b.Phase || len(a.Conditions) != len(b.Conditions) {
		return false
	}
	for _, c := range b.Conditions {
		if !hasPodCondition(a, c.Type, c.Status) {
			return false
		}
	}
	return true
}

func startPod(pod *corev1.Pod, v PodView) {
	now := metav1.NewTime(v.Now)
	s := &pod.Status
	s.Phase = corev1.PodRunning
	s.StartTime = &now
	s.HostIP, s.PodIP = v.HostIP, v.PodIP
	s.HostIPs, s.PodIPs = []corev1.HostIP{{IP: v.HostIP}}, []corev1.PodIP{{IP: v.PodIP}}
	s.InitContainerStatuses, s.ContainerStatuses = nil, nil
	for _, c := range pod.Spec.InitContainers {
		status := startedContainer(c, now)
		if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				Reason: "Completed", StartedAt: now, FinishedAt: now,
			}}
		}
		s.InitContainerStatuses = append(s.InitContainerStatuses, status)
	}
	for _, c := range pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, startedContainer(c, now))
	}
	setPodCondition(s, corev1.PodInitialized, true, now)
	setPodCondition(s, corev1.ContainersReady, true, now)
	readyPod(pod, v)
}

// startedContainer carries a digest of its image: virt-controller refuses to migrate a VMI whose launcher has none.
func startedContainer(c corev1.Container, now metav1.Time) corev1.ContainerStatus {
	started := true
	repository, _, _ := strings.Cut(c.Image, "@")
	return corev1.ContainerStatus{
		Name: c.Name, Image: c.Image, Ready: true, Started: &started,
		ImageID:     fmt.Sprintf("%s@sha256:%x", repository, sha256.Sum256([]byte(c.Image))),
		ContainerID: fmt.Sprintf("sim://%s", c.Name),
		State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
	}
}

// readyPod makes the pod ready when all its readiness gates are open, which is for others to say.
func readyPod(pod *corev1.Pod, v PodView) {
	ready := true
	for _, gate := range pod.Spec.ReadinessGates {
		ready = ready && hasPodCondition(&pod.Status, gate.ConditionType, corev1.ConditionTrue)
	}
	setPodCondition(&pod.Status, corev1.PodReady, ready, metav1.NewTime(v.Now))
}

// endPod is a pod whose containers have done their work.
func endPod(pod *corev1.Pod, v PodView) {
	terminatePod(pod, corev1.PodSucceeded, "Completed", 0, v.Now)
}

// failPod is a pod whose containers were lost.
func failPod(pod *corev1.Pod, v PodView) {
	terminatePod(pod, corev1.PodFailed, "ContainerStatusUnknown", 137, v.Now)
}

func terminatePod(pod *corev1.Pod, phase corev1.PodPhase, reason string, exitCode int32, at time.Time) {
	now := metav1.NewTime(at)
	pod.Status.Phase = phase
	// Init containers that go on beside the others are among those that end.
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			terminateContainer(&list[i], reason, exitCode, now)
		}
	}
	setPodCondition(&pod.Status, corev1.ContainersReady, false, now)
	setPodCondition(&pod.Status, corev1.PodReady, false, now)
}

func terminateContainer(c *corev1.ContainerStatus, reason string, exitCode int32, now metav1.Time) {
	if c.State.Terminated != nil {
		return
	}
	started, stopped := now, false
	if c.State.Running != nil {
		started = c.State.Running.StartedAt
	}
	c.Ready, c.Started = false, &stopped
	c.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason: reason, ExitCode: exitCode, StartedAt: started, FinishedAt: now,
	}}
}

func hasPodCondition(s *corev1.PodStatus, kind corev1.PodConditionType, status corev1.ConditionStatus) bool {
	for _, c := range s.Conditions {
		if c.Type == kind {
			return c.Status == status
		}
	}
	return false
}

func setPodCondition(s *corev1.PodStatus, kind corev1.PodConditionType, yes bool, now metav1.Time) {
	status := corev1.ConditionFalse
	if yes {
		status = corev1.ConditionTrue
	}
	for i := range s.Conditions {
		if s.Conditions[i].Type == kind {
			if s.Conditions[i].Status != status {
				s.Conditions[i].Status, s.Conditions[i].LastTransitionTime = status, now
			}
			return
		}
	}
	s.Conditions = append(s.Conditions, corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: now})
}
