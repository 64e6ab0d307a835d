// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
	"github.com/virt-scheduler/virt-scheduler/pkg/moves"
)

// plan says what is to be done to those that were chosen, once more as a whole: they have homes, the pod fits when they have gone to these, and
// their moves end in time.
func (p *place) plan(chosen []int) (*plan, *fwk.Status) {
	moved := p.movingAmong(chosen)
	if !slices.Equal(moved, p.housed) {
		ok, err := p.Homes(moved)
		if err != nil {
			return nil, fwk.AsStatus(err)
		}
		if !ok {
			return nil, p.refusal(moved)
		}
	}
	homes := p.homes
	if status := p.fitsAfter(chosen, homes); !status.IsSuccess() {
		return nil, status
	}
	if status := p.inTime(moved); !status.IsSuccess() {
		return nil, status
	}
	planned := &plan{
		cost:  victims.CostOf(p.victims(), chosen),
		steps: map[types.UID]step{},
		moves: moves.Plan{
			Preemptor: p.preemptor, Node: p.host.Node().Name, Timeout: p.pl.args.MoveTimeout, RetryAfter: p.pl.args.RetryAfter,
		},
	}
	for n, i := range moved {
		c := &p.all[i]
		if c.fate != victims.Moved {
			continue
		}
		move := moves.Move{
			VM: types.NamespacedName{Namespace: c.vm.Namespace, Name: c.vm.Name}, UID: c.vm.UID, Launcher: c.pod.GetPod(),
			Home: homes[n].host.Node().Name, HomeHostname: homes[n].host.Node().Labels[corev1.LabelHostname],
		}
		planned.moves.Moves = append(planned.moves.Moves, move)
		planned.steps[c.pod.GetPod().UID] = step{fate: c.fate, move: move, home: homes[n].target}
	}
	for _, i := range chosen {
		if c := &p.all[i]; c.launcher && !c.leaves && c.fate != victims.Moved {
			planned.steps[c.pod.GetPod().UID] = step{fate: c.fate}
		}
	}
	return planned, nil
}

// inTime refuses moves of which not all are thought to end in time.
func (p *place) inTime(moved []int) *fwk.Status {
	memory := make([]int64, len(moved))
	for n, i := range moved {
		memory[n] = p.all[i].vm.Size.Memory
	}
	slots, timeout := p.pl.slots(p.host.Node().Name), p.pl.args.MoveTimeout
	waits := len(moved) > min(slots.PerCluster-slots.UsedInCluster, slots.PerHost-slots.UsedOnHost)
	if waits && !victims.InTime(memory, slots, p.pl.args.MigrationBandwidth.Value(), timeout) {
		return fwk.NewStatus(fwk.Unschedulable, fmt.Sprintf("%d VMs would have to move, which takes longer than %s", len(moved), timeout))
	}
	return nil
}

// fitsAfter says whether the pod fits when the chosen have gone, and those that move are at their homes.
func (p *place) fitsAfter(chosen []int, homes []home) *fwk.Status {
	gone := make([]bool, len(p.all))
	for _, i := range chosen {
		gone[i] = true
	}
	if err := p.leave(gone); err != nil {
		return fwk.AsStatus(err)
	}
	state := p.state.Clone()
	for _, h := range homes {
		if status := p.pl.handle.RunPreFilterExtensionAddPod(p.ctx, state, p.preemptor, h.target, h.host); !status.IsSuccess() {
			return status
		}
	}
	return p.pl.handle.RunFilterPluginsWithNominatedPods(p.ctx, state, p.preemptor, p.host)
}

// slots are those of KubeVirt, and how many of them are in use.
func (pl *VMPreemption) slots(node string) victims.Slots {
	settings := pl.settings.Settings()
	inCluster, onHost := pl.tracker.UnderWay(node)
	return victims.Slots{
		PerCluster: settings.MigrationsPerCluster, PerHost: settings.OutboundMigrationsPerNode,
		UsedInCluster: inCluster, UsedOnHost: onHost,
		Held: pl.args.MoveTimeout / 2, // those under way are thought to have begun, and to end in time themselves
	}
}
