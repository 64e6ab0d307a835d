// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
)

const preScoreStateKey fwk.StateKey = "PreScore" + Name

// preScoreState is what Score knows in one cycle. It is not changed once it is made.
type preScoreState struct {
	sum sum
}

// Clone implements fwk.StateData.
func (s *preScoreState) Clone() fwk.StateData { return s }

// PreScore asks the index about preferences: the pod's, those of pods on hosts that match it, and required affinity of
// these. It skips Score when there is nothing to prefer.
func (pl *VMAffinity) PreScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) *fwk.Status {
	cycle, err := pl.view.Begin(ctx, state, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	s, err := pl.score(pod, cycle)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if s == nil {
		return fwk.NewStatus(fwk.Skip)
	}
	state.Write(preScoreStateKey, s)
	return nil
}

// score returns nil when there is nothing to prefer.
func (pl *VMAffinity) score(pod *corev1.Pod, cycle *clusterview.Cycle) (*preScoreState, error) {
	preferences, err := pl.preferences(pod, cycle)
	if err != nil || len(preferences.byKey) == 0 {
		return nil, err
	}
	return &preScoreState{sum: preferences}, nil
}

// preferences sums up what weighs for and against topology values.
func (pl *VMAffinity) preferences(pod *corev1.Pod, cycle *clusterview.Cycle) (sum, error) {
	t, err := pl.termsOf(pod)
	if err != nil {
		return sum{}, err
	}
	if pl.ignorePreferred && len(t.preferredAffinity) == 0 && len(t.preferredAnti) == 0 {
		return sum{}, nil
	}
	q := &questions{pod: pod, sums: 1}
	if q.namespace, err = pl.labelsOf(pod.Namespace); err != nil {
		return sum{}, err
	}
	for i := range t.preferredAffinity {
		q.ask([]fwk.AffinityTerm{t.preferredAffinity[i].AffinityTerm}, int64(t.preferredAffinity[i].Weight), true, 0)
	}
	for i := range t.preferredAnti {
		q.ask([]fwk.AffinityTerm{t.preferredAnti[i].AffinityTerm}, -int64(t.preferredAnti[i].Weight), false, 0)
	}
	q.theirs = []theirs{
		{kind: affinity.PreferredAffinity, weight: 1, near: true},
		{kind: affinity.PreferredAntiAffinity, weight: -1},
	}
	if pl.hardWeight > 0 {
		q.theirs = append(q.theirs, theirs{kind: affinity.RequiredAffinity, weight: pl.hardWeight, near: true})
	}
	sums := q.answer(pl.view.Affinity())
	pl.correct(q, cycle.VM, sums)
	sums[0].settle()
	return sums[0], nil
}

// Score returns the sum of what weighs for and against the host's topology values.
func (pl *VMAffinity) Score(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, host fwk.NodeInfo) (int64, *fwk.Status) {
	s, err := pl.readScore(ctx, state, pod)
	if err != nil {
		return 0, fwk.AsStatus(err)
	}
	if s == nil {
		return 0, nil
	}
	var score int64
	for i := range s.sum.byKey {
		if value, ok := host.Node().Labels[s.sum.byKey[i].key]; ok {
			score += s.sum.byKey[i].at(value)
		}
	}
	return score, nil
}

// ScoreExtensions implements fwk.ScorePlugin.
func (pl *VMAffinity) ScoreExtensions() fwk.ScoreExtensions { return pl }

// NormalizeScore spreads the scores between the worst and the best host.
func (pl *VMAffinity) NormalizeScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, scores fwk.NodeScoreList) *fwk.Status {
	s, err := pl.readScore(ctx, state, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	if s == nil || len(scores) == 0 {
		return nil
	}
	least, most := scores[0].Score, scores[0].Score
	for i := range scores {
		least, most = min(least, scores[i].Score), max(most, scores[i].Score)
	}
	for i := range scores {
		score := int64(0)
		if most > least {
			score = int64(float64(fwk.MaxNodeScore) * (float64(scores[i].Score-least) / float64(most-least)))
		}
		scores[i].Score = score
	}
	return nil
}

// readScore returns what PreScore wrote, or computes it, without writing, when PreScore was switched off in the profile.
func (pl *VMAffinity) readScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) (*preScoreState, error) {
	s, ok, err := adapt.ReadState[*preScoreState](state, preScoreStateKey)
	if ok || err != nil {
		return s, err
	}
	cycle, err := pl.view.Cycle(ctx, state, pod)
	if err != nil {
		return nil, err
	}
	return pl.score(pod, cycle)
}
