// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

const preScoreStateKey = "PreScore" + Name

// preScoreState is what one cycle knows of the VM and of those that migrate. It is not changed once it is made.
type preScoreState struct {
	vm model.VM
	// homes: of each VM that has two launchers on hosts, the pod at which it counts.
	homes map[types.UID]types.UID
}

// Clone implements fwk.StateData.
func (s *preScoreState) Clone() fwk.StateData { return s }

// PreScore finds out what the guest of the VM sees; for a pod that is no VM it skips Score.
func (pl *VMUtilization) PreScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) *fwk.Status {
	s, ok, err := pl.stateOf(ctx, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if !ok {
		return fwk.NewStatus(fwk.Skip)
	}
	state.Write(preScoreStateKey, s)
	return nil
}

// Score returns the value of a host as rank.Policy has it; NormalizeScore makes it a score.
func (pl *VMUtilization) Score(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, host fwk.NodeInfo) (int64, *fwk.Status) {
	s, status := pl.readState(ctx, state, pod)
	if s == nil {
		return 0, status
	}
	room, guests := adapt.RoomAndGuests(host, s.vm.Size.PageSize, launchers{pl: pl, state: s})
	return pl.policy.Value(rank.Usage{
		Room: room, Guests: guests.Plus(s.vm.Size, s.vm.Size.PageSize), PageSize: s.vm.Size.PageSize,
	}), nil
}

// ScoreExtensions implements fwk.ScorePlugin.
func (pl *VMUtilization) ScoreExtensions() fwk.ScoreExtensions { return pl }

// NormalizeScore turns the hosts' values into scores of 0 to 100, the best host having 100.
func (pl *VMUtilization) NormalizeScore(_ context.Context, _ fwk.CycleState, _ *corev1.Pod, scores fwk.NodeScoreList) *fwk.Status {
	if len(scores) == 0 {
		return nil
	}
	best := scores[0].Score
	for _, s := range scores {
		best = max(best, s.Score)
	}
	for i := range scores {
		scores[i].Score = rank.Score(scores[i].Score, best)
	}
	return nil
}

// readState returns what PreScore wrote, or computes it, without writing, when PreScore was switched off in the
// profile. It is nil for a pod that is no VM.
func (pl *VMUtilization) readState(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) (*preScoreState, *fwk.Status) {
	data, err := state.Read(preScoreStateKey)
	if err != nil {
		s, _, err := pl.stateOf(ctx, pod)
		return s, fwk.AsStatus(err)
	}
	s, ok := data.(*preScoreState)
	if !ok {
		return nil, fwk.AsStatus(fmt.Errorf("cycle state %q holds %T, want %T", preScoreStateKey, data, s))
	}
	return s, nil
}

func (pl *VMUtilization) stateOf(ctx context.Context, pod *corev1.Pod) (s *preScoreState, ok bool, err error) {
	vm, ok := pl.vmOf(pod)
	if !ok {
		return nil, false, nil
	}
	if vm.Guessed {
		klog.FromContext(ctx).V(4).Info("VirtualMachineInstance not known, guessing the VM's size from its pod",
			"pod", klog.KObj(pod), "vmUID", vm.UID, "vcpus", vm.Size.VCPUs, "memory", vm.Size.Memory)
	}
	homes, err := pl.homes()
	if err != nil {
		return nil, false, err
	}
	return &preScoreState{vm: vm, homes: homes}, true, nil
}

// homes looks up where the VMs with two launchers count. It costs one pass over all pods of the snapshot while there
// is such a VM, and nothing otherwise. The snapshot is asked, as only it has the assumed pods.
func (pl *VMUtilization) homes() (map[types.UID]types.UID, error) {
	pairs := pl.vms.Pairs()
	if len(pairs) == 0 {
		return nil, nil
	}
	hosts, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return nil, fmt.Errorf("listing hosts of the snapshot: %w", err)
	}
	placed := make(map[types.UID][]model.Launcher, len(pairs))
	for _, host := range hosts {
		for _, info := range host.GetPods() {
			uid, ok := adapt.VMOf(info.GetPod())
			if !ok {
				continue
			}
			if _, ok := pairs[uid]; ok {
				placed[uid] = append(placed[uid], adapt.LauncherOf(info.GetPod(), uid))
			}
		}
	}
	homes := make(map[types.UID]types.UID, len(placed))
	for uid, pods := range placed {
		if len(pods) > 1 {
			homes[uid] = model.Home(pods)
		}
	}
	return homes, nil
}

// launchers says what the launcher pods on a host hold, in one cycle.
type launchers struct {
	pl    *VMUtilization
	state *preScoreState
}

var _ adapt.Launchers = launchers{}

// Counts implements adapt.Launchers. Launchers of the very VM that is to be placed do not count: it is counted at
// the host that is looked at, also while it runs elsewhere.
func (l launchers) Counts(vm types.UID, pod *corev1.Pod) bool {
	if vm == l.state.vm.UID {
		return false
	}
	home, migrating := l.state.homes[vm]
	return !migrating || home == pod.UID
}

// SizeOf implements adapt.Launchers.
func (l launchers) SizeOf(vm types.UID, pod *corev1.Pod) model.Size {
	if size, ok := l.pl.vms.Size(vm); ok {
		return size
	}
	return adapt.SizeFromPod(pod, adapt.DefaultCPUAllocationRatio)
}
