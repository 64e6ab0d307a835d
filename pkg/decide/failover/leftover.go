// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"time"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// leftoverTime is for how long a leftover must have been seen before it is deleted: a guest that shuts down on the living source
// just now is told by its own handler within it.
const leftoverTime = 10 * time.Second

// leftover deals with a migration to the failed node whose guest had switched over and died there before anybody told. The source's
// launcher pod has ended, and yet KubeVirt (seen in v1.8.2) leaves the VMI Running on the source for ever: its migration has a
// start and no end, for which virt-handler of the source goes on waiting. Every launcher pod of the VM has then either ended by a
// living kubelet's word or was on the machine that is proved off: no guest is left, and deleting the ended pod makes KubeVirt see
// that. A later boot of that machine changes nothing about it. The pod is recorded first and deleted in a later pass. It reports
// whether it has the VM in hand.
func (s *pass) leftover(r *failurev1alpha1.VMRecord, vmi VMIView) bool {
	pod, ok := s.endedSource(r, vmi)
	if !ok {
		r.Leftover = nil
		return false
	}
	if r.Leftover == nil || r.Leftover.UID != pod.UID {
		r.Leftover = &failurev1alpha1.LeftoverPod{Name: pod.Name, UID: pod.UID, Node: pod.Node, SeenAt: s.now}
		s.after(leftoverTime)
		return true
	}
	if left := leftoverTime - s.now.Sub(r.Leftover.SeenAt.Time); left > 0 {
		s.after(left)
		return true
	}
	if s.signs.provedBootMayLive() {
		// Its guest may be the one that runs on there: KubeVirt must not start another.
		s.after(settleInterval)
		return true
	}
	if r.Leftover.ReleasedAt == nil {
		at := s.now
		r.Leftover.ReleasedAt = &at
		s.vmEvent(r, true, ReasonGuestLost, "its guest had moved to failed node %s and died there; launcher pod %s on %s, which has ended, is "+
			"deleted so that KubeVirt sees it", s.spec.NodeName, pod.Name, pod.Node)
	}
	s.effect(Effect{Kind: EffectDeletePod, Pod: PodRef{Namespace: r.Namespace, Name: pod.Name, UID: pod.UID}})
	s.after(settleInterval)
	return true
}

// endedSource finds the launcher pod on the VMI's node, when it and all others have ended.
func (s *pass) endedSource(r *failurev1alpha1.VMRecord, vmi VMIView) (LauncherView, bool) {
	if r.Role != failurev1alpha1.RoleMigrationTarget || r.Due != failurev1alpha1.DueRunOn || !sameVMI(vmi, r) ||
		vmi.Phase != vmiRunning || vmi.Deleting || !guestElsewhere(vmi, s.spec.NodeName) || !vmi.LaunchersRead {
		return LauncherView{}, false
	}
	var source LauncherView
	for _, pod := range vmi.Launchers {
		switch {
		case !pod.Ended:
			return LauncherView{}, false
		case pod.Node == vmi.NodeName:
			source = pod
		}
	}
	return source, source.UID != ""
}
