// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

// KubeVirt gives each migration target, and so each VM that was ever migrated, a required anti-affinity of its own, so that
// a target never lands on its source. It always holds, also for the VM's own pods, which count nowhere else. It
// is in no index: only launchers of the VM match it, and there is one per VM.

// splitOwnTerms splits those of a launcher pod from its other required anti-affinity.
func splitOwnTerms(pod *corev1.Pod, anti []fwk.AffinityTerm) (own, others []fwk.AffinityTerm) {
	for i := range anti {
		if adapt.IsOwnTerm(pod, &anti[i]) {
			own = append(own, anti[i])
		} else {
			others = append(others, anti[i])
		}
	}
	return own, others
}

// keepApart counts where KubeVirt's own term keeps the pod from a launcher of its VM: the pod's, and the launcher's.
func (q *questions) keepApart(own []fwk.AffinityTerm, l *clusterview.Launcher, by int64, add adder) {
	other := l.Pod.GetPod()
	if other.UID == q.pod.UID {
		return
	}
	for i := range own {
		if value, ok := l.Node.Labels[own[i].TopologyKey]; ok && own[i].Matches(other, nil) {
			add(sumAnti, own[i].TopologyKey, value, by)
		}
	}
	q.repel(l, by, add)
}

// repel counts where KubeVirt's own term of a launcher keeps the pod away.
func (q *questions) repel(l *clusterview.Launcher, by int64, add adder) {
	theirs := l.Pod.GetRequiredAntiAffinityTerms()
	for i := range theirs {
		if !adapt.IsOwnTerm(l.Pod.GetPod(), &theirs[i]) || !theirs[i].Matches(q.pod, q.namespace) {
			continue
		}
		if value, ok := l.Node.Labels[theirs[i].TopologyKey]; ok {
			add(sumTheirs, theirs[i].TopologyKey, value, by)
		}
	}
}
