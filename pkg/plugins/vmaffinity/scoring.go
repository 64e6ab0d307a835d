// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
)

const preScoreStateKey fwk.StateKey = "PreScore" + Name

// preScoreState is what Score knows in one cycle. It is not changed once it is made.
type preScoreState struct {
	sum sum
	// grades of hosts come before all preferences; nil when required affinity is required.
	grades map[string]grade
}

// Clone implements fwk.StateData.
func (s *preScoreState) Clone() fwk.StateData { return s }

// PreScore asks the index about preferences: the pod's, those of pods on hosts that match it, and required affinity of
// these. It skips Score when there is nothing to prefer.
func (pl *VMAffinity) PreScore(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, hosts []fwk.NodeInfo) *fwk.Status {
	cycle, err := pl.view.Begin(ctx, state, pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	s, err := pl.score(ctx, state, pod, cycle, hosts)
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
func (pl *VMAffinity) score(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, cycle *clusterview.Cycle, hosts []fwk.NodeInfo) (*preScoreState, error) {
	grades, err := pl.gradesOf(ctx, state, pod, cycle, hosts)
	if err != nil {
		return nil, err
	}
	preferences, err := pl.preferences(pod, cycle)
	if err != nil || grades == nil && len(preferences.byKey) == 0 {
		return nil, err
	}
	return &preScoreState{sum: preferences, grades: grades}, nil
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

// NormalizeScore spreads the scores between the worst and the best host, and puts grades before them.
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
		if s.grades != nil {
			score = s.grades[scores[i].Name].refine(score)
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
	hosts, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return nil, err
	}
	return pl.score(ctx, state, pod, cycle, hosts)
}

// grade is how well a host suits a VM that has to leave its host, by its required affinity.
type grade int64

// The grades of hosts, which are far apart so that the scores of other plugins do not outdo them easily.
const (
	gradeApart    grade = 0  // the VM would be apart from its group
	gradeTogether grade = 45 // there is room where the group could come together again
	gradeNear     grade = 90 // the required affinity holds
	// withinGrade is how much hosts of one grade may differ by preferences.
	withinGrade = 10
)

func (g grade) refine(score int64) int64 { return int64(g) + score*withinGrade/fwk.MaxNodeScore }

// gradesOf returns nil for a pod whose required affinity, if it has any, is required.
func (pl *VMAffinity) gradesOf(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, cycle *clusterview.Cycle, hosts []fwk.NodeInfo) (map[string]grade, error) {
	if cycle.VM == nil || len(fwk.GetPodAffinityTerms(pod.Spec.Affinity)) == 0 || !pl.mustGo(cycle.VM) {
		return nil, nil
	}
	s, err := pl.readState(ctx, state, pod)
	if err != nil {
		return nil, err
	}
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return nil, fmt.Errorf("reading the pod's requests: %w", err)
	}
	group, err := pl.groupOf(s.facts, info.CalculateResource().Resource)
	if err != nil {
		return nil, err
	}
	keys := s.own[0].keys // of required affinity, which is asked about first
	room := roomFor(group, keys, hosts)
	grades := make(map[string]grade, len(hosts))
	for _, host := range hosts {
		labels := host.Node().Labels
		grades[host.Node().Name] = gradeApart
		if domain, ok := domainOf(keys, labels); ok && room[domain] {
			grades[host.Node().Name] = gradeTogether
		}
		if s.near(labels) {
			grades[host.Node().Name] = gradeNear
		}
	}
	return grades, nil
}
