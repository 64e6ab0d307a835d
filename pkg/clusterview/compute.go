// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
)

// compute makes a host of a NodeInfo that is not in the snapshot; s is the slot of its node, or nil. Guests that the
// view knows there have the sizes that it read, so that a cycle goes by one size of a VM.
func (v *View) compute(info fwk.NodeInfo, s *slot) *Host {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var known *Host
	if s != nil {
		known = s.host.Load()
	}
	h := v.read(info, known, make([]launcher, 0, len(info.GetPods())))
	h.computed = true
	for i := range h.launchers {
		h.launchers[i].marks |= home
	}
	for i := range h.launchers {
		vm := h.launchers[i].vm
		if v.places.several(vm) || known.find(h.launchers[i].pod, i) == nil {
			v.settleWith(h, vm, s)
		}
	}
	h.sum()
	if known != nil {
		h.Failed = known.Failed
	} else {
		h.Failed = v.failures.Failed(h.Name)
	}
	h.Class = v.classOf(info, s)
	return h
}

// settleWith decides the homes of one VM's launchers on a host that was computed.
func (v *View) settleWith(h *Host, vm types.UID, s *slot) {
	var launchers []*launcher
	for i := range h.launchers {
		if h.launchers[i].vm == vm {
			launchers = append(launchers, &h.launchers[i])
		}
	}
	for _, other := range v.places.of(vm, nil) {
		if other == s {
			continue
		}
		elsewhere := other.host.Load()
		for i := range elsewhere.launchers {
			if elsewhere.launchers[i].vm == vm {
				l := elsewhere.launchers[i]
				launchers = append(launchers, &l)
			}
		}
	}
	settle(launchers)
}

func (v *View) classOf(info fwk.NodeInfo, s *slot) ClassID {
	node := info.Node()
	if node == nil {
		return NoClass
	}
	if s != nil && s.node == node {
		return s.class.ID
	}
	if of := v.classifier.find(node.Labels); of != nil {
		return of.ID
	}
	return NoClass
}
