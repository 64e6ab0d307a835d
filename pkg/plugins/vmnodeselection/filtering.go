// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

const preFilterStateKey fwk.StateKey = "PreFilter" + Name

// preFilterState is what one cycle knows. It is not changed once it is made: what it says of hosts depends on nodes and
// VMs, not on the pods of a host, so that AddPod and RemovePod have nothing to do.
type preFilterState struct {
	vm    *model.VM
	guest *guest
	table *table
	now   time.Time
}

// Clone implements fwk.StateData.
func (s *preFilterState) Clone() fwk.StateData { return s }

// PreFilter finds out what the VM wishes; for a pod that is no VM it skips Filter.
func (pl *VMNodeSelection) PreFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if !adapt.IsVM(pod) {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	cycle, err := pl.view.Begin(ctx, state, pod)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	state.Write(preFilterStateKey, pl.stateOf(cycle))
	return nil, nil
}

// PreFilterExtensions implements fwk.PreFilterPlugin.
func (pl *VMNodeSelection) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

// Filter refuses hosts whose virt-handler does not live, that are treated as failed, or that lack what the guest
// wishes. None of that is mended by taking pods away.
func (pl *VMNodeSelection) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, host fwk.NodeInfo) *fwk.Status {
	s, err := pl.readState(ctx, state, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if s == nil {
		return nil
	}
	if host.Node() == nil {
		return fwk.AsStatus(errors.New("a host of the snapshot has no node"))
	}
	if verdict := pl.judge(s, host); !verdict.OK() {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, verdict.String())
	}
	return nil
}

func (pl *VMNodeSelection) judge(s *preFilterState, host fwk.NodeInfo) fit.Verdict {
	node := host.Node()
	known, at := pl.find(node.Name, s.table.of)
	if verdict := pl.health(node, known, s.now); !verdict.OK() {
		return verdict
	}
	for _, device := range s.guest.demands.Devices() {
		if host.GetAllocatable().GetScalarResources()[corev1.ResourceName(device)] <= 0 {
			return fit.Verdict{Reason: fit.ReasonDevice, Detail: device}
		}
	}
	return s.table.verdict(s.guest, node, at, pl.insist)
}

// find returns what the view knows of a host, nil if nothing, and the position of its class in a catalog, or -1. It goes
// by the name: class and failure are the node's, whichever pods a NodeInfo has.
func (pl *VMNodeSelection) find(node string, c *catalog) (*clusterview.Host, int) {
	host, ok := pl.view.HostNamed(node)
	if !ok {
		return nil, -1
	}
	if at, ok := c.positions[host.Class]; ok {
		return host, at
	}
	return host, -1
}

// health judges a host apart from the VM: whether it may get VMs at all, now. known may be nil.
func (pl *VMNodeSelection) health(node *corev1.Node, known *clusterview.Host, now time.Time) fit.Verdict {
	return fit.Healthy(node, fit.Health{
		Beats:  pl.beats.Alive(node, now, pl.tolerance),
		Failed: known != nil && known.Failed,
	})
}

// readState returns what PreFilter wrote, or computes it, without writing, when PreFilter was switched off in the
// profile. It is nil for a pod that is no VM.
func (pl *VMNodeSelection) readState(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) (*preFilterState, error) {
	s, ok, err := adapt.ReadState[*preFilterState](state, preFilterStateKey)
	if ok || err != nil || !adapt.IsVM(pod) {
		return s, err
	}
	cycle, err := pl.view.Cycle(ctx, state, pod)
	if err != nil {
		return nil, err
	}
	return pl.stateOf(cycle), nil
}

func (pl *VMNodeSelection) stateOf(cycle *clusterview.Cycle) *preFilterState {
	guest := pl.guests.of(cycle.VM)
	return &preFilterState{vm: cycle.VM, guest: guest, table: pl.tableOf(guest, pl.current()), now: pl.beats.Now()}
}

func metaOf(class clusterview.Class) metav1.ObjectMeta {
	return metav1.ObjectMeta{Labels: class.Labels}
}
