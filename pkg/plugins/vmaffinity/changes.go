// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// changes are what pods that came or went in one copy of the state, as preemption tries it, change in the sums.
type changes struct {
	sums [filterSums]sum
	// total is the change in sumNear's total; anyNear says whether that leaves any.
	total   int64
	anyNear bool
	// vms are the launchers of the VMs of which some came or went. A list is not changed once it is here.
	vms map[types.UID][]clusterview.Launcher
}

func (c *changes) clone() *changes {
	if c == nil {
		return nil
	}
	copied := &changes{total: c.total, anyNear: c.anyNear, vms: maps.Clone(c.vms)}
	for i := range c.sums {
		copied.sums[i] = c.sums[i].clone()
	}
	return copied
}

func (c *changes) add(to int, key, value string, n int64) {
	c.sums[to].add(key, value, n)
	if to == sumNear {
		c.total += n
	}
}

// PreFilterExtensions implements fwk.PreFilterPlugin.
func (pl *VMAffinity) PreFilterExtensions() fwk.PreFilterExtensions { return pl }

// AddPod counts a pod in that is thought to be on a host.
func (pl *VMAffinity) AddPod(_ context.Context, state fwk.CycleState, _ *corev1.Pod, added fwk.PodInfo, host fwk.NodeInfo) *fwk.Status {
	return pl.change(state, added, host.Node(), 1)
}

// RemovePod counts a pod out that is thought to be gone from a host.
func (pl *VMAffinity) RemovePod(_ context.Context, state fwk.CycleState, _ *corev1.Pod, removed fwk.PodInfo, host fwk.NodeInfo) *fwk.Status {
	return pl.change(state, removed, host.Node(), -1)
}

func (pl *VMAffinity) change(state fwk.CycleState, changed fwk.PodInfo, node *corev1.Node, by int64) *fwk.Status {
	s, ok, err := adapt.ReadState[*preFilterState](state, preFilterStateKey)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if !ok {
		return nil // Filter takes the cluster as it is where PreFilter was switched off
	}
	if s.changes == nil {
		s.changes = &changes{vms: map[types.UID][]clusterview.Launcher{}}
	}
	uid, isVM := adapt.VMOf(changed.GetPod())
	switch {
	case s.vm == nil:
		s.each(changed, node, by, s.changes.add)
		s.repel(&clusterview.Launcher{VM: uid, Pod: changed, Node: node}, by, s.changes.add)
	case !isVM:
		s.each(changed, node, by, s.changes.add)
	case uid == s.vm.UID:
		s.keepApart(s.ownTerms, &clusterview.Launcher{VM: uid, Pod: changed, Node: node}, by, s.changes.add)
	default:
		pl.changeVM(s, uid, changed, node, by)
	}
	if s.firstable && s.changes.total != 0 {
		s.changes.anyNear = s.totalNear()+s.changes.total > 0
	}
	return nil
}

// changeVM counts another VM anew, of which a launcher came or went: the others may count otherwise now.
func (pl *VMAffinity) changeVM(s *preFilterState, uid types.UID, changed fwk.PodInfo, node *corev1.Node, by int64) {
	before, ok := s.changes.vms[uid]
	if !ok {
		before = pl.view.Launchers(uid)
	}
	host, evacuating := "", ""
	if vm := pl.view.VM(changed.GetPod()); vm != nil {
		host, evacuating = vm.Host, vm.Evacuating
	}
	is := func(l clusterview.Launcher) bool { return l.Pod.GetPod().UID == changed.GetPod().UID }
	after := slices.DeleteFunc(slices.Clone(before), is)
	if by > 0 {
		after = append(after, clusterview.Launcher{VM: uid, Pod: changed, Node: node, Off: pl.view.Off(node.Name), Evacuating: evacuating})
	}
	locate(after, host)
	s.questions.vm(before, follows(s.vm, before), -1, s.changes.add)
	s.questions.vm(after, follows(s.vm, after), 1, s.changes.add)
	s.changes.vms[uid] = after
}

// locate finds out for what a VM counts at each of its launchers; host is where its guest is said to be.
func locate(launchers []clusterview.Launcher, host string) {
	places := make([]model.Place, len(launchers))
	for i := range launchers {
		l := &launchers[i]
		places[i] = model.Place{Launcher: adapt.LauncherOf(l.Pod.GetPod(), l.VM), Host: l.Node.Name, Off: l.Off}
	}
	for i, presence := range model.Presences(places, host) {
		launchers[i].Presence = presence
	}
}
