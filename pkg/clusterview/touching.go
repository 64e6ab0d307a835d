// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
)

// ExceptionsFor is Exceptions for one pod, VM by VM, and finds them without a look at each: all with a launcher that matches all of some
// list of terms, or that has a term of one of the kinds which matches the pod; and maybe some that do not.
func (v *View) ExceptionsFor(
	but types.UID, pod *corev1.Pod, kinds affinity.Kinds, lists iter.Seq[[]fwk.AffinityTerm], f func([]Launcher),
) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.affinity == nil || len(v.affinity.exceptions) == 0 {
		return
	}
	found := map[types.UID]struct{}{}
	note := func(vm types.UID) { found[vm] = struct{}{} }
	for terms := range lists {
		v.affinity.directory.Matching(terms, note)
	}
	v.affinity.directory.Owning(pod, kinds, note)
	delete(found, but)
	for vm := range found {
		f(v.affinity.exceptions[vm])
	}
}

// set makes a VM an exception, or what is known of one newer; none of its launchers make it none.
func (a *affinityIndex) set(vm types.UID, launchers []Launcher) {
	before := a.exceptions[vm]
	if len(launchers) == 0 {
		delete(a.exceptions, vm)
		if len(before) > 0 {
			a.directory.Take(vm)
		}
		return
	}
	a.exceptions[vm] = launchers
	if slices.EqualFunc(before, launchers, func(a, b Launcher) bool { return a.Pod == b.Pod }) {
		return // as they are filed
	}
	pods := make([]fwk.PodInfo, len(launchers))
	for i := range launchers {
		pods[i] = launchers[i].Pod
	}
	a.directory.Put(vm, pods)
}
