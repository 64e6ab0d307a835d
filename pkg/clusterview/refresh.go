// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
)

// unread is the generation of a NodeInfo that was not read yet: less than any.
const unread int64 = -1

// round is one refresh. What it changes becomes visible all at once at its end.
type round struct {
	*View
	list []fwk.NodeInfo
	// gone are hosts that are not in the list any more.
	gone []*slot
	// drafts are the hosts that change.
	drafts []*slot
	// touched are the VMs of hosts that were read that have, or had, several launchers.
	touched []types.UID
	// marked is what has changed besides.
	marked changes
}

// Refresh brings the view up to the scheduler's snapshot, and applies what changed besides. It is to be called by the
// goroutine that schedules, between UpdateSnapshot and the plugins: Begin does so.
func (v *View) Refresh() error {
	if v.lister == nil {
		return fmt.Errorf("the scheduler's handle has no snapshot: nothing is known of any host")
	}
	list, err := v.lister.NodeInfos().List()
	if err != nil {
		return fmt.Errorf("listing hosts of the snapshot: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// Before anything is read: what changes after this is marked again.
	marked := v.marks.take()
	r := round{View: v, list: list, drafts: v.scratch.drafts[:0], touched: v.scratch.touched[:0], marked: marked}
	r.follow()
	r.apply()
	r.settle()
	r.classify()
	r.except()
	r.publish()
	v.scratch.drafts, v.scratch.touched = r.drafts, r.touched
	return nil
}

// follow reads the hosts whose generation changed. Generations are unique among all NodeInfos: an unchanged one at
// some place of the list means that the same node is there, as it was.
func (r *round) follow() {
	if len(r.list) != len(r.slots) {
		r.align()
	}
	changed := r.changed()
	if slices.ContainsFunc(changed, func(i int) bool { return !r.aligned(i) }) {
		r.align() // the list was made anew in another order
		changed = r.changed()
	}
	for _, i := range changed {
		r.generations[i] = r.list[i].GetGeneration()
		r.reread(r.slots[i])
	}
}

// changed returns the places in the list of the hosts whose generation changed. To look at each host is most of what a refresh of a
// large cluster takes: it is done once.
func (r *round) changed() []int {
	changed := r.scratch.changed[:0]
	for i, info := range r.list {
		if info.GetGeneration() != r.generations[i] {
			changed = append(changed, i)
		}
	}
	r.scratch.changed = changed
	return changed
}

// aligned is true when the host at a place of the list is that of the slot.
func (r *round) aligned(i int) bool {
	node, s := r.list[i].Node(), r.slots[i]
	if node == nil || s == nil {
		return node == nil && s == nil
	}
	return node.Name == s.name
}

// align arranges the slots as the list is.
func (r *round) align() {
	before := *r.byName.Load()
	byName := make(map[string]*slot, len(r.list))
	r.slots = make([]*slot, len(r.list))
	r.generations = make([]int64, len(r.list))
	for i, info := range r.list {
		r.generations[i] = unread
		node := info.Node()
		if node == nil {
			continue // no scheduler's snapshot has such; hand-made ones may
		}
		s := before[node.Name]
		if s == nil {
			s = &slot{name: node.Name}
		} else if h := s.host.Load(); h != nil {
			r.generations[i] = h.generation
		}
		s.position = i
		r.slots[i], byName[node.Name] = s, s
	}
	for name, s := range before {
		if byName[name] != s {
			r.gone = append(r.gone, s)
			r.forget(s)
			r.leaveIndex(s)
		}
	}
	r.byName.Store(&byName)
}

// apply reads the hosts that are touched by changes which have no generation.
func (r *round) apply() {
	if r.marked.all {
		for _, s := range r.slots {
			r.reread(s)
		}
		return
	}
	for vm := range r.marked.vms {
		r.scratch.places = r.places.of(vm, r.scratch.places[:0])
		for _, s := range r.scratch.places {
			r.reread(s)
		}
	}
	if len(r.marked.nodes) == 0 {
		return
	}
	byName := *r.byName.Load()
	for name := range r.marked.nodes {
		r.reread(byName[name])
	}
}

// draft returns a host to be changed in this refresh.
func (r *round) draft(s *slot) *Host {
	if s.draft == nil {
		h := *s.host.Load()
		h.launchers = slices.Clone(h.launchers)
		s.draft = &h
		r.drafts = append(r.drafts, s)
	}
	return s.draft
}

// settle finds the homes of the VMs that have, or had, several launchers: a change on one host may change another.
func (r *round) settle() {
	for _, vm := range r.touched {
		r.scratch.places = r.places.of(vm, r.scratch.places[:0])
		r.settleOne(vm, r.scratch.places)
	}
	for _, s := range r.drafts {
		s.draft.sum()
	}
}

func (r *round) settleOne(vm types.UID, hosts []*slot) {
	type at struct {
		slot     *slot
		position int
		launcher launcher
	}
	var all []*at
	var launchers []*launcher
	for _, s := range hosts {
		h := s.draft
		if h == nil {
			h = s.host.Load()
		}
		for i := range h.launchers {
			if h.launchers[i].vm == vm {
				all = append(all, &at{s, i, h.launchers[i]})
				launchers = append(launchers, &all[len(all)-1].launcher)
			}
		}
	}
	if len(all) == 0 {
		return
	}
	settle(launchers)
	for _, a := range all {
		h := a.slot.draft
		if h == nil {
			h = a.slot.host.Load()
		}
		if h.launchers[a.position].marks != a.launcher.marks {
			r.draft(a.slot).launchers[a.position] = a.launcher
		}
	}
}

// classify follows the labels of the nodes that were read.
func (r *round) classify() {
	c := &r.classifier
	var relabelled []*slot
	for _, s := range r.gone {
		c.countAll(s.labels, -1)
		c.leave(s)
	}
	for _, s := range r.drafts {
		node := r.list[s.position].Node()
		if s.node == node {
			continue
		}
		s.node = node
		if s.class != nil && maps.Equal(s.labels, node.Labels) {
			continue // a heartbeat
		}
		c.countAll(s.labels, -1)
		c.countAll(node.Labels, 1)
		s.labels = node.Labels
		relabelled = append(relabelled, s)
	}
	c.selectBy(r.asked.take(), r.slots)
	for _, s := range relabelled {
		c.move(s, c.classFor(s.labels))
	}
	c.regroup(r.slots, func(s *slot) { r.draft(s) })
	for _, s := range r.drafts {
		s.draft.Class = s.class.ID
	}
}

// publish lets readers see what the refresh made.
func (r *round) publish() {
	if groups, changed := r.classifier.publish(); changed {
		r.groups.Store(groups)
	}
	for _, s := range r.drafts {
		s.host.Store(s.draft)
		s.draft = nil
	}
}
