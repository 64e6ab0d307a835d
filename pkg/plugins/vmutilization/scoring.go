// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
)

const preScoreStateKey fwk.StateKey = "PreScore" + Name

// preScoreState is what the pod itself requests.
type preScoreState struct{ requests rank.Requests }

// Clone implements fwk.StateData.
func (s *preScoreState) Clone() fwk.StateData { return s }

// PreScore brings the view up to date; for a pod that is no VM it skips Score.
func (pl *VMUtilization) PreScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) *fwk.Status {
	if !adapt.IsVM(pod) {
		return fwk.NewStatus(fwk.Skip)
	}
	cycle, err := pl.view.Begin(ctx, state, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if vm := cycle.VM; vm.Guessed {
		klog.FromContext(ctx).V(4).Info("VirtualMachineInstance not known, guessing the VM's size from its pod",
			"pod", klog.KObj(pod), "vmUID", vm.UID, "vcpus", vm.Size.VCPUs, "memory", vm.Size.Memory)
	}
	if !pl.scoresRequests() {
		return nil
	}
	requests, err := requestsOf(pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	state.Write(preScoreStateKey, &preScoreState{requests})
	return nil
}

// Score returns the value of a host as rank.Policy has it; NormalizeScore makes it a score. Each VM counts once: a VM
// that migrates at its target, and the one that is placed at the host that is looked at.
func (pl *VMUtilization) Score(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) (int64, *fwk.Status) {
	cycle, err := pl.view.Cycle(ctx, state, pod)
	if err != nil {
		return 0, fwk.AsStatus(err)
	}
	if cycle.VM == nil {
		return 0, nil
	}
	size := cycle.VM.Size
	host := cycle.Without(pl.view.Host(info))
	usage := rank.Usage{Room: roomFor(info, &host.Others, size.PageSize), PageSize: size.PageSize, Empty: host.Home.VMs == 0}
	usage.Without.Guests = host.Home.Guests(size.PageSize)
	usage.With.Guests = usage.Without.Guests.Plus(size, size.PageSize)
	if pl.scoresRequests() {
		own, err := readRequests(state, pod)
		if err != nil {
			return 0, fwk.AsStatus(err)
		}
		allocatable, requested := info.GetAllocatable(), info.GetRequested()
		usage.Allocatable = rank.Requests{MilliCPU: allocatable.GetMilliCPU(), Memory: allocatable.GetMemory()}
		usage.Without.Requested = rank.Requests{MilliCPU: requested.GetMilliCPU(), Memory: requested.GetMemory()}
		usage.With.Requested = rank.Requests{
			MilliCPU: requested.GetMilliCPU() + own.MilliCPU, Memory: requested.GetMemory() + own.Memory,
		}
	}
	return pl.policy.Value(usage), nil
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

func (pl *VMUtilization) scoresRequests() bool {
	return pl.policy.Weights.CPURequests > 0 || pl.policy.Weights.MemoryRequests > 0
}

// readRequests returns what PreScore wrote, or computes it, without writing, when PreScore was switched off in the
// profile.
func readRequests(state fwk.CycleState, pod *corev1.Pod) (rank.Requests, error) {
	s, ok, err := adapt.ReadState[*preScoreState](state, preScoreStateKey)
	switch {
	case err != nil:
		return rank.Requests{}, err
	case ok:
		return s.requests, nil
	default:
		return requestsOf(pod)
	}
}

// requestsOf returns what a pod requests, as NodeInfo will count it.
func requestsOf(pod *corev1.Pod) (rank.Requests, error) {
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return rank.Requests{}, fmt.Errorf("reading pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	all := info.CalculateResource().Resource
	return rank.Requests{MilliCPU: all.GetMilliCPU(), Memory: all.GetMemory()}, nil
}
