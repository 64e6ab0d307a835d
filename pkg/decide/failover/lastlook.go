// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// LastLook is what was read right before a release, for it alone: between the pass that decided it and its write, this process may have been
// paused, another may have led, and the node may have come back.
type LastLook struct {
	// Decided is the UID of the NodeFailure in whose pass it was decided; Stored bears its name now.
	Decided types.UID
	Stored  *failurev1alpha1.NodeFailure
	Node    NodeView
	// Pod is the pod that would be deleted.
	Pod LauncherView
}

// MayRelease says whether the release e, a DeletePod or an OutOfService, may still be made; why says what forbids it. It holds to every rule
// about life and record that Next held to when it decided e, so that what is refused here is decided anew and not lost.
func MayRelease(e Effect, look LastLook) (ok bool, why string) {
	spec, stored := look.Stored.Spec, look.Stored.Status
	switch {
	case look.Stored.UID != look.Decided:
		return false, "another NodeFailure bears the name now"
	case spec.ControlPlane:
		return false, "it is a control-plane node"
	case !Proved(spec, stored):
		return false, "the stored record holds no proof of its incident"
	case !stored.Recorded:
		return false, "the stored record of launcher pods is not complete"
	case stored.Phase != failurev1alpha1.PhaseReleasing && stored.Phase != failurev1alpha1.PhaseRecovering &&
		stored.Phase != failurev1alpha1.PhaseReturning:
		return false, "the incident is in phase " + string(stored.Phase)
	case conditionTrue(stored, failurev1alpha1.ConditionUnfenced):
		return false, "the node was seen alive in the boot that was proved to have ended"
	}
	sg := lifeSigns(spec, stored, look.Node)
	switch e.Kind {
	case EffectDeletePod:
		return mayDelete(e.Pod, look, sg)
	case EffectOutOfService:
		return maySetOutOfService(stored, sg)
	case EffectTaint, EffectUntaint, EffectPowerOff, EffectRemoveOutOfService:
	}
	return false, string(e.Kind) + " is no release"
}

// mayDelete: a pod of the failed node goes only while nothing shows life there. A leftover is on another node and has ended; what
// matters is that its guest does not live on where it had moved to.
func mayDelete(ref PodRef, look LastLook, sg signs) (ok bool, why string) {
	if look.Pod.UID != ref.UID {
		return false, "another pod bears the name now"
	}
	for i := range look.Stored.Status.VMs {
		r := &look.Stored.Status.VMs[i]
		left := r.Leftover
		switch {
		case r.PodUID == ref.UID && !released(r):
			return false, "the stored record holds the pod back"
		case r.PodUID == ref.UID && look.Pod.Node != look.Stored.Spec.NodeName:
			return false, "the pod is on node " + orNone(look.Pod.Node)
		case r.PodUID == ref.UID:
			return silent(sg)
		case left == nil || left.UID != ref.UID:
		case left.ReleasedAt == nil:
			return false, "the stored record holds the pod back"
		case !look.Pod.Ended:
			return false, "the pod is on node " + orNone(look.Pod.Node) + " and has not ended"
		case sg.provedBootMayLive():
			return silent(sg)
		default:
			return true, ""
		}
	}
	return false, "the pod is not in the stored record"
}

func maySetOutOfService(stored failurev1alpha1.NodeFailureStatus, sg signs) (ok bool, why string) {
	switch {
	case !sg.sameNode:
		return false, "the Node object is gone or another one"
	case sg.ready:
		return false, "the node is Ready: volumes would be detached under a running guest"
	case stored.OutOfServiceAt == nil:
		return false, "the intention is not stored"
	}
	for i := range stored.VMs {
		if !released(&stored.VMs[i]) {
			return false, "the stored record holds pod " + stored.VMs[i].PodName + " back"
		}
	}
	return silent(sg)
}

// silent says which sign of life forbids a release.
func silent(sg signs) (ok bool, why string) {
	switch {
	case sg.replaced:
		return false, "another Node object bears the name now"
	case sg.rebooted:
		return false, "the node has rebooted: its kubelet is to end the pods"
	case sg.beat:
		return false, "the node's Lease was renewed"
	default:
		return true, ""
	}
}
