// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
)

// migrationPort is the port that a simulated target says it listens on; nothing does.
const migrationPort = 49152

// nextMigration is what the virt-handlers of the two sides, and the guest between them, do next. The API knows a
// migration as status.migrationState, the machines as a Move; the two part company when a machine dies.
func nextMigration(v View) Step {
	state := v.VMI.Status.MigrationState
	if state == nil || state.MigrationUID == "" {
		if v.Move != nil {
			return Step{Do: EndMove}
		}
		return Step{}
	}
	if state.EndTimestamp != nil && (state.Completed || state.Failed) {
		return finished(v, state)
	}
	if v.Move != nil && v.Move.UID != state.MigrationUID {
		return Step{Do: EndMove}
	}
	if v.Move == nil {
		return begin(v, state)
	}
	switch v.Move.Stage {
	case guests.Copying:
		return copyOn(v, state)
	case guests.Broken:
		return failed(v)
	case guests.Switched:
		return arrived(v, state)
	}
	return Step{}
}

// copying says whether the API believes that a migration is under way.
func copying(state *virtv1.VirtualMachineInstanceMigrationState) bool {
	return state != nil && state.StartTimestamp != nil && state.EndTimestamp == nil
}

// begin starts the copy, once the target is prepared.
func begin(v View, state *virtv1.VirtualMachineInstanceMigrationState) Step {
	pod := targetPod(v, state)
	move := guests.Move{
		UID: state.MigrationUID, Namespace: v.VMI.Namespace, VMI: v.VMI.Name,
		Source: state.SourceNode, Target: state.TargetNode, TargetPodName: state.TargetPod,
	}
	if pod != nil {
		move.TargetPod = pod.UID
	}
	if state.StartTimestamp != nil {
		if v.Guest == nil || (v.Guest.Node != state.SourceNode && v.Guest.Node != state.TargetNode) {
			return Step{} // nobody is left who could tell
		}
		return Step{Do: AdoptMove, Move: move}
	}
	if state.TargetNodeAddress == "" {
		return prepare(v, state, pod)
	}
	atSource := v.Guest != nil && v.Guest.Node == state.SourceNode && owner(v.VMI) == state.SourceNode
	if !atSource || !HandlerActs(v.Machine(state.SourceNode)) || state.AbortRequested {
		return Step{}
	}
	return Step{Do: BeginMove, Move: move}
}

// prepare makes the target listen, which it does once its pod runs and has its volumes.
func prepare(v View, state *virtv1.VirtualMachineInstanceMigrationState, pod *corev1.Pod) Step {
	target := v.Machine(state.TargetNode)
	ready := pod != nil && pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning &&
		!EarlierBoot(pod, target)
	if !ready || !HandlerActs(target) || v.VMI.Labels[virtv1.MigrationTargetNodeNameLabel] != state.TargetNode {
		return Step{}
	}
	if !v.VolumesReady(pod) {
		return wait(v.Timing.Detect)
	}
	return update(v, state.TargetNode, func(vmi *virtv1.VirtualMachineInstance) {
		s := vmi.Status.MigrationState
		s.TargetNodeAddress = pod.Status.HostIP
		if s.TargetNodeAddress == "" {
			s.TargetNodeAddress = state.TargetNode
		}
		s.TargetDirectMigrationNodePorts = map[string]int{fmt.Sprint(migrationPort): 0}
	})
}

// copyOn is a copy under way: the source runs.
func copyOn(v View, state *virtv1.VirtualMachineInstanceMigrationState) Step {
	if why := broken(v); why != "" {
		return Step{Do: BreakMove, Why: why}
	}
	if state.AbortRequested {
		return Step{Do: BreakMove, Why: "Live migration aborted", Aborted: true}
	}
	if state.StartTimestamp == nil {
		return update(v, v.Move.Source, func(vmi *virtv1.VirtualMachineInstance) {
			vmi.Status.MigrationState.StartTimestamp = timestamp(v.Move.Since)
			vmi.Status.MigrationState.Mode = virtv1.MigrationPreCopy
		})
	}
	elapsed := v.Now.Sub(v.Move.Since)
	if elapsed < v.Timing.Detect {
		return wait(v.Timing.Detect - elapsed)
	}
	if !state.TargetNodeDomainDetected {
		return update(v, v.Move.Target, func(vmi *virtv1.VirtualMachineInstance) {
			vmi.Status.MigrationState.TargetNodeDomainDetected = true
		})
	}
	if v.VMI.Annotations[HoldAnnotation] == HoldBefore {
		return Step{}
	}
	if elapsed < v.Timing.Copy {
		return wait(v.Timing.Copy - elapsed)
	}
	return Step{Do: SwitchOver}
}

// broken says what has broken a copy under way, empty if nothing has. The copy goes from virt-handler to virt-handler
// over the network; kubelets have no part in it.
func broken(v View) string {
	m := v.Move
	if v.Guest == nil || v.Guest.Node != m.Source {
		return "the guest at the source is gone"
	}
	source, target := v.Machine(m.Source), v.Machine(m.Target)
	switch {
	case !source.VirtHandler || !source.Network:
		return "the connection from the source is lost"
	case !target.Running() || target.BootID != m.TargetBoot:
		return "the target is gone"
	case !target.VirtHandler || !target.Network:
		return "the connection to the target is lost"
	}
	for _, pod := range v.Pods {
		if pod.UID == m.TargetPod && pod.DeletionTimestamp == nil && !podDown(pod) {
			return ""
		}
	}
	if KubeletActs(target) {
		return "the target's launcher pod is gone"
	}
	return ""
}

// failed lets one side report a broken copy: the source if its guest lives on, else the target.
func failed(v View) Step {
	m := v.Move
	target := v.Machine(m.Target)
	var reporter string
	switch {
	case v.Guest != nil && v.Guest.Node == m.Source && HandlerActs(v.Machine(m.Source)):
		reporter = m.Source
	case HandlerActs(target) && target.BootID == m.TargetBoot:
		reporter = m.Target
	default:
		return Step{}
	}
	if since := v.Now.Sub(m.Since); !m.Aborted && since < v.Timing.Fail {
		return wait(v.Timing.Fail - since)
	}
	return update(v, reporter, func(vmi *virtv1.VirtualMachineInstance) {
		s := vmi.Status.MigrationState
		if s.StartTimestamp == nil {
			s.StartTimestamp = timestamp(m.Since)
		}
		s.EndTimestamp = timestamp(v.Now)
		s.Failed = true
		s.FailureReason = m.Why
		if m.Aborted {
			s.AbortStatus = virtv1.MigrationAbortSucceeded
		}
	})
}

// arrived is a guest that runs at the target: all that is left is for the target's handler to tell, one write at a
// time. Nobody else can: when the target dies before it has told, the VMI stays Running for ever, as in KubeVirt.
func arrived(v View, state *virtv1.VirtualMachineInstanceMigrationState) Step {
	m := v.Move
	if v.Guest == nil || v.Guest.Node != m.Target || !HandlerActs(v.Machine(m.Target)) {
		return Step{}
	}
	hold := v.VMI.Annotations[HoldAnnotation]
	switch {
	case hold == HoldAt:
		return Step{}
	case state.TargetNodeDomainReadyTimestamp == nil:
		return update(v, m.Target, func(vmi *virtv1.VirtualMachineInstance) {
			s := vmi.Status.MigrationState
			s.TargetNodeDomainDetected = true
			s.TargetNodeDomainReadyTimestamp = timestamp(v.Now)
		})
	case state.EndTimestamp == nil || v.VMI.Status.NodeName != m.Target:
		return update(v, m.Target, func(vmi *virtv1.VirtualMachineInstance) { takeOver(vmi, m, v) })
	case hold == HoldAfter:
		return Step{}
	default:
		return update(v, m.Target, func(vmi *virtv1.VirtualMachineInstance) {
			vmi.Status.MigrationState.Completed = true
		})
	}
}

// takeOver makes the VMI the target's.
func takeOver(vmi *virtv1.VirtualMachineInstance, m *guests.Move, v View) {
	s := vmi.Status.MigrationState
	if s.StartTimestamp == nil {
		s.StartTimestamp = timestamp(m.Since)
	}
	s.EndTimestamp = timestamp(v.Now)
	if vmi.Labels == nil {
		vmi.Labels = map[string]string{}
	}
	vmi.Labels[virtv1.NodeNameLabel] = m.Target
	delete(vmi.Labels, virtv1.OutdatedLauncherImageLabel)
	delete(vmi.Annotations, virtv1.EvictionSourceAnnotation)
	vmi.Status.NodeName = m.Target
	vmi.Status.EvacuationNodeName = ""
	vmi.Status.LauncherContainerImageVersion = ""
	vmi.Status.MigrationTransport = virtv1.MigrationTransportUnix
}

// finished is the clearing up after a migration that the API knows the end of.
func finished(v View, state *virtv1.VirtualMachineInstanceMigrationState) Step {
	if v.Move != nil {
		return Step{Do: EndMove}
	}
	if v.VMI.Labels[virtv1.MigrationTargetNodeNameLabel] != state.TargetNode ||
		!HandlerActs(v.Machine(state.TargetNode)) {
		return Step{}
	}
	return update(v, state.TargetNode, func(vmi *virtv1.VirtualMachineInstance) {
		delete(vmi.Labels, virtv1.MigrationTargetNodeNameLabel)
		delete(vmi.Annotations, virtv1.CreateMigrationTarget)
	})
}

func targetPod(v View, state *virtv1.VirtualMachineInstanceMigrationState) *corev1.Pod {
	for _, pod := range v.Pods {
		if pod.Name == state.TargetPod && pod.Spec.NodeName == state.TargetNode {
			return pod
		}
	}
	return nil
}
