// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
)

// reread reads a host, once per refresh.
func (r *round) reread(s *slot) {
	if s == nil || s.draft != nil {
		return
	}
	r.reads++
	info := r.list[s.position]
	if !r.readChanges(s, info) {
		r.readAll(s, info)
	}
	s.draft.Failed = r.failures.Failed(s.name)
	r.drafts = append(r.drafts, s)
}

// readAll reads a host as if nothing had been known of it.
func (r *round) readAll(s *slot, info fwk.NodeInfo) {
	r.forget(s)
	h := r.read(info, nil, r.scratch.launchers[:0])
	r.scratch.launchers = h.launchers
	h.launchers = append([]launcher(nil), h.launchers...) // no longer than need be
	r.index(s, info)
	s.draft = h
	for i := range h.launchers {
		vm := h.launchers[i].vm
		h.launchers[i].marks |= home // unless the VM has others
		r.places.add(vm, s)
		r.touch(vm)
	}
}

// readChanges reads those pods of a host that came or went. It is false, and does nothing, when others may have changed, too: the host was
// not read before, its node is another object, or something else is known of it, or of a VM on it. The pods as they were read last are
// those of the affinity index: without it all is read again.
func (r *round) readChanges(s *slot, info fwk.NodeInfo) bool {
	before := s.host.Load()
	if !r.onlyPodsChanged(s, info, before) {
		return false
	}
	h := &Host{Name: before.Name, generation: info.GetGeneration()}
	stayed, known := s.indexed.pods, before.launchers
	launchers := r.scratch.launchers[:0]
	var come []types.UID
	gone := r.scratch.gone[:0]
	for i, podInfo := range info.GetPods() {
		pod := podInfo.GetPod()
		var old *launcher // of the pod that was at this place
		if i < len(stayed) && len(known) > 0 && known[0].pod == stayed[i].GetPod().UID {
			old, known = &known[0], known[1:]
		}
		same := i < len(stayed) && stayed[i] == podInfo
		switch {
		case same && old != nil:
			launchers = append(launchers, *old)
			continue
		case old != nil:
			gone = append(gone, old.vm)
		}
		if ended(pod) {
			continue
		}
		if uid, ok := adapt.VMOf(pod); ok {
			l := r.launcherOf(pod, uid, nil, 0)
			l.marks |= home // unless the VM has others
			launchers = append(launchers, l)
			come = append(come, uid)
		} else if !adapt.Attachment(pod) {
			h.Others.add(podInfo.CalculateResource().Resource)
		}
	}
	for i := range known {
		gone = append(gone, known[i].vm)
	}
	r.leave(gone, s)
	r.scratch.launchers, r.scratch.gone = launchers, gone
	h.launchers = append([]launcher(nil), launchers...)
	r.index(s, info)
	s.draft = h
	for _, vm := range come {
		r.places.add(vm, s)
		r.touch(vm)
	}
	return true
}

// onlyPodsChanged is false for a host of which something else may have changed since it was read last.
func (r *round) onlyPodsChanged(s *slot, info fwk.NodeInfo, before *Host) bool {
	return r.affinity != nil && before != nil && s.indexed.node != nil && s.indexed.node == info.Node() && !r.isMarked(before) &&
		s.indexed.off == r.failures.Proved(s.name)
}

func (r *round) leave(gone []types.UID, s *slot) {
	for _, vm := range gone {
		r.touch(vm)
		r.places.remove(vm, s)
	}
}

// isMarked is true for a host about which, or about a VM on which, something else is known.
func (r *round) isMarked(h *Host) bool {
	if r.marked.all {
		return true
	}
	if _, marked := r.marked.nodes[h.Name]; marked {
		return true
	}
	if len(r.marked.vms) == 0 {
		return false
	}
	for i := range h.launchers {
		if _, marked := r.marked.vms[h.launchers[i].vm]; marked {
			return true
		}
	}
	return false
}

// forget takes the launchers of a host, as it was read last, out of the places of VMs.
func (r *round) forget(s *slot) {
	h := s.host.Load()
	if h == nil {
		return
	}
	for i := range h.launchers {
		vm := h.launchers[i].vm
		r.touch(vm)
		r.places.remove(vm, s)
	}
}

func (r *round) touch(vm types.UID) {
	if r.places.several(vm) || r.affinity.excepts(vm) {
		r.touched = append(r.touched, vm)
	}
}
