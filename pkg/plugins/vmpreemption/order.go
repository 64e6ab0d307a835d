// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"context"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/component-helpers/scheduling/corev1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	"k8s.io/kubernetes/pkg/scheduler/util"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
)

// OrderedScoreFuncs implements preemption.Interface. Where a VM would have to go: fewest kills, then fewest moves, then least memory to
// copy. Then, and where none would have to, what upstream prefers (kube-scheduler's documentation of pod priority and preemption, and
// pkg/scheduler/framework/preemption): fewest disruption budgets violated, the least highest priority, the least sum of priorities, fewest
// pods, those of the highest priority started latest. Then the node's name, so that the choice is always the same.
func (pl *VMPreemption) OrderedScoreFuncs(ctx context.Context, byNode map[string]*extenderv1.Victims) []func(node string) int64 {
	var prefer []func(string) int64
	if s, ok := ctx.Value(searchInContext{}).(*search); ok {
		costs := make(map[string]victims.Cost, len(byNode))
		movesVMs := false
		for node, v := range byNode {
			costs[node] = victims.Cost{Kills: killsAmong(v.Pods)}
			if p := s.attempt.on(node); p != nil {
				costs[node], movesVMs = p.cost, true
			}
		}
		if movesVMs {
			prefer = append(prefer,
				func(node string) int64 { return -int64(costs[node].Kills) },
				func(node string) int64 { return -int64(costs[node].Moves) },
				func(node string) int64 { return -costs[node].Memory },
			)
		}
	}
	rank := make(map[string]int64, len(byNode))
	for i, node := range slices.Sorted(maps.Keys(byNode)) {
		rank[node] = -int64(i)
	}
	return append(prefer,
		func(node string) int64 { return -byNode[node].NumPDBViolations },
		func(node string) int64 { return -int64(schedulingv1.PodPriority(byNode[node].Pods[0])) },
		func(node string) int64 { return -sumOfPriorities(byNode[node].Pods) },
		func(node string) int64 { return -int64(len(byNode[node].Pods)) },
		func(node string) int64 {
			if start := util.GetEarliestPodStartTime(byNode[node]); start != nil {
				return start.UnixNano()
			}
			return math.MinInt64
		},
		func(node string) int64 { return rank[node] },
	)
}

// killsAmong does not count those that are being deleted already.
func killsAmong(pods []*corev1.Pod) (kills int) {
	for _, pod := range pods {
		if pod.DeletionTimestamp == nil {
			kills++
		}
	}
	return kills
}

// sumOfPriorities counts from the least priority that there is: one pod more is never better.
func sumOfPriorities(pods []*corev1.Pod) (sum int64) {
	for _, pod := range pods {
		sum += int64(schedulingv1.PodPriority(pod)) - math.MinInt32
	}
	return sum
}
