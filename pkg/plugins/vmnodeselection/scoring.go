// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/migratability"
)

const (
	preScoreStateKey fwk.StateKey = "PreScore" + Name

	// neutralScore is that of a host of which it is not known where the VM could go from there: neither better nor worse.
	neutralScore = fwk.MaxNodeScore / 2
)

// reckoning counts, in one cycle, where the VM could go from each class of hosts: a migratability.Cluster.
type reckoning struct {
	*preFilterState
	pl    *VMNodeSelection
	moves *migratability.Guest
	// receivers by position; -1 where it has not been counted yet.
	receivers []int
	// exits by position; nil where they have not been counted.
	exits []*migratability.Exits
}

var _ migratability.Cluster = &reckoning{}

// Clone implements fwk.StateData.
func (r *reckoning) Clone() fwk.StateData { return r }

// PreScore counts the exits of the hosts that are left, class by class. It skips Score for a pod that is no VM, and for
// a VM that KubeVirt never migrates.
func (pl *VMNodeSelection) PreScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, hosts []fwk.NodeInfo) *fwk.Status {
	if !adapt.IsVM(pod) {
		return fwk.NewStatus(fwk.Skip)
	}
	if _, err := pl.view.Begin(ctx, state, pod); err != nil {
		return fwk.AsStatus(err)
	}
	s, err := pl.readState(ctx, state, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if !migratability.CanEverMove(s.vm.Wishes) {
		return fwk.NewStatus(fwk.Skip)
	}
	r := pl.reckon(s, pod)
	for _, host := range hosts {
		if _, at := pl.find(host.Node().Name, s.table.of); at >= 0 {
			r.count(at)
		}
	}
	state.Write(preScoreStateKey, r)
	return nil
}

// Score returns how many other hosts could receive the VM later from a host, in percent of the saturation.
func (pl *VMNodeSelection) Score(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, host fwk.NodeInfo) (int64, *fwk.Status) {
	r, err := pl.readReckoning(ctx, state, pod)
	if err != nil {
		return 0, fwk.AsStatus(err)
	}
	if r == nil {
		return 0, nil
	}
	node := host.Node()
	known, at := pl.find(node.Name, r.table.of)
	if at < 0 || r.exits[at] == nil || !r.exits[at].Known {
		return neutralScore, nil
	}
	others := r.exits[at].Others(r.receives(node, known, at), pl.saturation)
	return fwk.MaxNodeScore * int64(others) / int64(pl.saturation), nil
}

// ScoreExtensions implements fwk.ScorePlugin. There is nothing to normalise: a score says how far a host is from having
// exits enough, and that the others have as few does not make it better.
func (pl *VMNodeSelection) ScoreExtensions() fwk.ScoreExtensions { return nil }

// readReckoning returns what PreScore wrote. Where PreScore was switched off in the profile, it counts for each host
// again; it is nil for a pod that is not to be scored.
func (pl *VMNodeSelection) readReckoning(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) (*reckoning, error) {
	r, ok, err := adapt.ReadState[*reckoning](state, preScoreStateKey)
	if ok || err != nil {
		return r, err
	}
	s, err := pl.readState(ctx, state, pod)
	if err != nil || s == nil || !migratability.CanEverMove(s.vm.Wishes) {
		return nil, err
	}
	r = pl.reckon(s, pod)
	for at := range r.exits {
		r.count(at)
	}
	return r, nil
}

func (pl *VMNodeSelection) reckon(s *preFilterState, pod *corev1.Pod) *reckoning {
	n := len(s.table.of.classes)
	r := &reckoning{
		preFilterState: s, pl: pl,
		moves:     migratability.GuestOf(s.vm, s.guest.demands, pod.Spec.NodeSelector),
		receivers: make([]int, n),
		exits:     make([]*migratability.Exits, n),
	}
	for i := range r.receivers {
		r.receivers[i] = -1
	}
	return r
}

func (r *reckoning) count(at int) {
	if r.exits[at] == nil {
		exits := r.moves.Count(at, r, r.pl.insist, r.pl.saturation)
		r.exits[at] = &exits
	}
}

// Classes implements migratability.Cluster.
func (r *reckoning) Classes() int { return len(r.receivers) }

// Host implements migratability.Cluster.
func (r *reckoning) Host(class int) *migratability.Host { return r.table.of.hosts[class] }

// Relation implements migratability.Cluster.
func (r *reckoning) Relation(from, to int) migratability.Relation {
	return r.pl.relations.of(r.table.of, from, to)
}

// Receivers implements migratability.Cluster. It looks at no more hosts of a class than it needs.
func (r *reckoning) Receivers(class int) int {
	if r.receivers[class] < 0 {
		r.receivers[class] = r.countReceivers(class)
	}
	return r.receivers[class]
}

func (r *reckoning) countReceivers(class int) int {
	if r.table.accepts != nil && !r.table.accepts[class] {
		return 0
	}
	found := 0
	for _, name := range r.table.of.classes[class].Hosts {
		host, err := r.pl.handle.SnapshotSharedLister().NodeInfos().Get(name)
		if err != nil {
			continue // the view is as old as the snapshot; a host that is in one only is as good as gone
		}
		known, _ := r.pl.find(name, r.table.of)
		if !r.receives(host.Node(), known, class) {
			continue
		}
		if found++; found > r.pl.saturation {
			break
		}
	}
	return found
}

// receives says whether a host could take the VM now, room aside.
func (r *reckoning) receives(node *corev1.Node, known *clusterview.Host, at int) bool {
	return r.pl.health(node, known, r.now).OK() && fit.Receives(node) && r.table.accepted(r.guest, node, at)
}
