// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
)

// The tables of upstream_*_test.go have a row for each case of the tests of InterPodAffinity in Kubernetes 1.35, in words of
// our own. All rows are put to both plugins, so that no row says what upstream's does not.

// Why a host is refused, whichever plugin says so.
const (
	lonely    = "its affinity finds nobody"
	crowded   = "its anti-affinity finds somebody"
	unwelcome = "somebody's anti-affinity finds it"
	// everywhere is said of hosts when PreFilter refuses all.
	everywhere = "its terms cannot be read"
)

var reasons = map[string]struct {
	code fwk.Code
	why  string
}{
	reasonAffinity: {fwk.UnschedulableAndUnresolvable, lonely}, interpodaffinity.ErrReasonAffinityRulesNotMatch: {fwk.UnschedulableAndUnresolvable, lonely},
	reasonAnti: {fwk.Unschedulable, crowded}, interpodaffinity.ErrReasonAntiAffinityRulesNotMatch: {fwk.Unschedulable, crowded},
	reasonTheirs: {fwk.Unschedulable, unwelcome}, interpodaffinity.ErrReasonExistingAntiAffinityRulesNotMatch: {fwk.Unschedulable, unwelcome},
}

func whyOf(t *testing.T, status *fwk.Status) string {
	t.Helper()
	known, ok := reasons[status.Message()]
	if !ok || known.code != status.Code() {
		t.Fatalf("a host is refused with %v", status)
	}
	return known.why
}

// each calls f for both plugins.
func (w *twins) each(t *testing.T, f func(t *testing.T, s seat)) {
	t.Helper()
	for name, s := range map[string]seat{"upstream": w.upstream, "ours": w.ours} {
		t.Run(name, func(t *testing.T) { f(t, s) })
	}
}

// refused says why hosts are refused; skips is true when PreFilter skips Filter.
func (w *twins) refused(t *testing.T, s seat, pod podBuilder) (by map[string]string, skips bool) {
	t.Helper()
	hosts := w.refresh(t)
	state := framework.NewCycleState()
	by = map[string]string{}
	_, status := s.PreFilter(w.ctx, state, pod.Obj(), hosts)
	switch {
	case status.IsSkip():
		return by, true
	case status.Code() == fwk.UnschedulableAndUnresolvable:
		for _, host := range hosts {
			by[host.Node().Name] = everywhere
		}
		return by, false
	case !status.IsSuccess():
		t.Fatalf("PreFilter: %v", status)
	}
	return w.filter(t, s, state, pod, hosts), false
}

func (w *twins) filter(t *testing.T, s seat, state fwk.CycleState, pod podBuilder, hosts []fwk.NodeInfo) map[string]string {
	t.Helper()
	by := map[string]string{}
	for _, host := range hosts {
		if status := s.Filter(w.ctx, state, pod.Obj(), host); !status.IsSuccess() {
			by[host.Node().Name] = whyOf(t, status)
		}
	}
	return by
}

// points are what hosts get; code is PreScore's.
func (w *twins) points(t *testing.T, s seat, pod podBuilder) (points map[string]int64, preScore *fwk.Status) {
	t.Helper()
	hosts := w.refresh(t)
	state := framework.NewCycleState()
	if status := s.PreScore(w.ctx, state, pod.Obj(), hosts); !status.IsSuccess() {
		return nil, status
	}
	var list fwk.NodeScoreList
	for _, host := range hosts {
		score, status := s.Score(w.ctx, state, pod.Obj(), host)
		if !status.IsSuccess() {
			t.Fatalf("Score: %v", status)
		}
		list = append(list, fwk.NodeScore{Name: host.Node().Name, Score: score})
	}
	if status := s.NormalizeScore(w.ctx, state, pod.Obj(), list); !status.IsSuccess() {
		t.Fatalf("NormalizeScore: %v", status)
	}
	points = map[string]int64{}
	for _, score := range list {
		points[score.Name] = score.Score
	}
	return points, nil
}

// teams are two teams of two namespaces each.
func teams() []*corev1.Namespace {
	red, blue := map[string]string{"team": "red"}, map[string]string{"team": "blue"}
	return []*corev1.Namespace{
		makeNamespace("red-1", red), makeNamespace("red-2", red), makeNamespace("blue-1", blue), makeNamespace("blue-2", blue),
	}
}

// with makes a pod that has one label.
func with(name, key, value string) podBuilder { return makePod(name).Label(key, value) }

// unreadable is a term that the API server would not let through.
func unreadable(topologyKey string) termBuilder {
	return termBuilder{corev1.PodAffinityTerm{TopologyKey: topologyKey, LabelSelector: &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"-not-a-value-"}}},
	}}}
}
