// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Launcher is a launcher pod on a host, and for what its VM counts there.
type Launcher struct {
	VM       types.UID
	Pod      fwk.PodInfo
	Node     *corev1.Node
	Presence model.Presence
	// Off is true on a host that was proved to be off.
	Off bool
	// Evacuating is the host that the VM is to leave, or "".
	Evacuating string
}

// Exceptions calls f with all launchers of the VMs, but of one, for which it is not true that they have one launcher, which counts: those with
// several, and those on a host that was proved to be off. It is as of the last refresh; f must not call the view.
func (v *View) Exceptions(but types.UID, f func(Launcher)) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.affinity == nil {
		return
	}
	for vm, launchers := range v.affinity.exceptions {
		if vm == but {
			continue
		}
		for _, l := range launchers {
			f(l)
		}
	}
}

// Launchers returns those of one VM as of the last refresh, in no order; none before FollowAffinity.
func (v *View) Launchers(vm types.UID) []Launcher {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.affinity == nil {
		return nil
	}
	if known, ok := v.affinity.exceptions[vm]; ok {
		return known
	}
	return v.launchersOf(vm)
}

// Off is true for a host that was proved to be off, as of the last refresh; false before FollowAffinity.
func (v *View) Off(node string) bool {
	s := (*v.byName.Load())[node]
	if s == nil {
		return false
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return s.indexed.off
}

// moves is true for a VM that is on its way, as far as the last refresh knows: it has several launchers, or its guest is said to be where it has
// none. When something else becomes known of such a VM, it may count elsewhere for others, and no event of a pod tells of that.
func (v *View) moves(vm types.UID) bool {
	known, ok := v.vms.VM(vm)
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.affinity == nil {
		return false
	}
	if v.places.several(vm) {
		return true
	}
	first, placed := v.places.first[vm]
	return placed && ok && known.Host != "" && known.Host != first.name
}

// excepts is true for a VM that was an exception at the last refresh.
func (a *affinityIndex) excepts(vm types.UID) bool {
	if a == nil {
		return false
	}
	_, ok := a.exceptions[vm]
	return ok
}

// except finds the exceptions among the VMs that were touched, and those of hosts of which the proof came or went.
func (r *round) except() {
	if r.affinity == nil {
		return
	}
	for _, vm := range r.touched {
		r.exceptOne(vm)
	}
	for _, s := range r.drafts {
		if s.indexed.off {
			for i := range s.draft.launchers {
				r.exceptOne(s.draft.launchers[i].vm)
			}
		}
	}
}

func (r *round) exceptOne(vm types.UID) {
	launchers := r.launchersOf(vm)
	if len(launchers) == 1 && launchers[0].Presence.Affinity {
		launchers = nil
	}
	r.affinity.set(vm, launchers)
}

// launchersOf finds the launchers of a VM on the lists of the hosts that it is on.
func (v *View) launchersOf(vm types.UID) []Launcher {
	var launchers []Launcher
	var places []model.Place
	for _, s := range v.places.of(vm, nil) {
		for _, pod := range s.indexed.pods {
			if uid, ok := adapt.VMOf(pod.GetPod()); !ok || uid != vm {
				continue
			}
			launchers = append(launchers, Launcher{VM: vm, Pod: pod, Node: s.indexed.node, Off: s.indexed.off})
			places = append(places, model.Place{Launcher: adapt.LauncherOf(pod.GetPod(), vm), Host: s.name, Off: s.indexed.off})
		}
	}
	host, evacuating := "", ""
	if known, ok := v.vms.VM(vm); ok {
		host, evacuating = known.Host, known.Evacuating
	}
	for i, presence := range model.Presences(places, host) {
		launchers[i].Presence, launchers[i].Evacuating = presence, evacuating
	}
	return launchers
}

// Places returns the number of hosts on which a VM has launchers, as of the last refresh.
func (v *View) Places(vm types.UID) int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.places.of(vm, nil))
}
