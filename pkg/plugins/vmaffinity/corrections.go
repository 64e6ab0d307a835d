// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"iter"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// correct makes of the index's answers, which count each launcher as a pod, answers by the rules for VMs: it takes out what
// the index counted for the VMs of which it is wrong, and adds what is right. The VM itself, of which the pod is, is left
// out. A pod that is no VM gets what the index says.
func (pl *VMAffinity) correct(q *questions, vm *model.VM, sums []sum) {
	if vm == nil {
		return
	}
	add := adderTo(sums)
	own := pl.view.Launchers(vm.UID)
	for i := range own {
		q.each(own[i].Pod, own[i].Node, -1, add)
	}
	pl.view.ExceptionsFor(vm.UID, q.pod, q.kinds(), q.lists(), func(of []clusterview.Launcher) {
		for i := range of {
			q.each(of[i].Pod, of[i].Node, -1, add)
		}
		q.vm(of, follows(vm, of), 1, add)
	})
}

// kinds are those of others' terms that are asked for.
func (q *questions) kinds() (kinds affinity.Kinds) {
	for i := range q.theirs {
		kinds |= q.theirs[i].kind
	}
	return kinds
}

// lists yields the lists of terms that are asked for.
func (q *questions) lists() iter.Seq[[]fwk.AffinityTerm] {
	return func(yield func([]fwk.AffinityTerm) bool) {
		for i := range q.own {
			if !yield(q.own[i].terms) {
				return
			}
		}
	}
}

// follows is true for another VM that leaves the same host: the two go together, and each may go where the other is
// on its way to.
func follows(vm *model.VM, launchers []clusterview.Launcher) bool {
	return vm.Evacuating != "" && len(launchers) > 0 && launchers[0].Evacuating == vm.Evacuating
}

// eachNamesake calls f for the launchers of the VM that a pod which is no VM is labelled with. KubeVirt's own terms of these
// match it as they would in upstream's plugin.
func (pl *VMAffinity) eachNamesake(pod *corev1.Pod, f func(*clusterview.Launcher)) {
	uid := types.UID(pod.Labels[kubevirtv1.CreatedByLabel])
	if uid == "" {
		return
	}
	launchers := pl.view.Launchers(uid)
	for i := range launchers {
		f(&launchers[i])
	}
}
