// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"cmp"
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"pgregory.net/rapid"
)

// move is a pod that is thought to be on a host of the snapshot, or gone from it, as preemption and nominated pods make
// a scheduler think.
type move struct {
	pod  fwk.PodInfo
	host int
	gone bool
	// copy is true when the moves go on with a copy of the state, as when a nominated pod is thought to be there, too.
	copy bool
}

// answer is what a plugin says of one pod in one cycle, as a scheduler makes use of it: a point that is skipped refuses
// nobody, and scores nothing.
type answer struct {
	PreFilter string
	// Result is nil for all hosts.
	Result *fwk.PreFilterResult
	// Refused says per host what the state that PreFilter wrote says, then after each move of a copy of it. All states that
	// there are then are asked again at the end: what became of a copy must not show in what it was copied from.
	Refused [][]fwk.Code
	// All and Feasible are what the hosts get when all are scored, and when those are that were not refused.
	All, Feasible scores
}

type scores struct {
	PreScore string
	// Order is each host's place: 0 for the lowest score, equal for equal scores.
	Order []int
	// Points are after NormalizeScore.
	Points []int64
}

// ask runs one cycle. moves are lists of moves, each made of a copy of its own.
func (w *twins) ask(t rapid.TB, s seat, pod *corev1.Pod, hosts []fwk.NodeInfo, moves [][]move) answer {
	t.Helper()
	state := framework.NewCycleState()
	result, status := s.PreFilter(w.ctx, state, pod, hosts)
	a := answer{PreFilter: status.Code().String(), Result: result}
	skipped := status.IsSkip()
	if skipped {
		a.PreFilter = fwk.Success.String() // whether anything is refused is seen below
	} else if !status.IsSuccess() {
		return a
	}
	type asked struct {
		state fwk.CycleState
		hosts []fwk.NodeInfo
	}
	filter := func(of asked) {
		codes := make([]fwk.Code, len(of.hosts))
		for i := range of.hosts {
			if !skipped {
				codes[i] = s.Filter(w.ctx, of.state, pod, of.hosts[i]).Code()
			}
		}
		a.Refused = append(a.Refused, codes)
	}
	all := []asked{{state, hosts}}
	filter(all[0])
	for _, list := range moves {
		now := asked{state.Clone(), slices.Clone(hosts)}
		for _, m := range list {
			if m.copy {
				all = append(all, now)
				now = asked{now.state.Clone(), slices.Clone(now.hosts)}
			}
			w.apply(t, s, pod, m, now.state, now.hosts, skipped)
			filter(now)
		}
		all = append(all, now)
	}
	if len(all) > 1 {
		for _, of := range all {
			filter(of)
		}
	}
	a.All = w.score(t, s, state.Clone(), pod, hosts)
	var feasible []fwk.NodeInfo
	for i := range hosts {
		if a.Refused[0][i] == fwk.Success {
			feasible = append(feasible, hosts[i])
		}
	}
	if len(feasible) > 0 && len(feasible) < len(hosts) {
		a.Feasible = w.score(t, s, state.Clone(), pod, feasible)
	}
	return a
}

// apply makes one move. The framework does not tell a plugin that skips Filter.
func (w *twins) apply(t rapid.TB, s seat, pod *corev1.Pod, m move, state fwk.CycleState, hosts []fwk.NodeInfo, skipped bool) {
	t.Helper()
	host := hosts[m.host].Snapshot()
	hosts[m.host] = host
	var status *fwk.Status
	if m.gone {
		noError(t, host.RemovePod(w.logger, m.pod.GetPod()))
		if !skipped {
			status = s.RemovePod(w.ctx, state, pod, m.pod, host)
		}
	} else {
		host.AddPodInfo(m.pod)
		if !skipped {
			status = s.AddPod(w.ctx, state, pod, m.pod, host)
		}
	}
	if !status.IsSuccess() {
		t.Fatalf("%s: changing the state: %v", s.Name(), status)
	}
}

func (w *twins) score(t rapid.TB, s seat, state fwk.CycleState, pod *corev1.Pod, hosts []fwk.NodeInfo) scores {
	t.Helper()
	status := s.PreScore(w.ctx, state, pod, hosts)
	got := scores{PreScore: status.Code().String(), Order: make([]int, len(hosts)), Points: make([]int64, len(hosts))}
	if status.IsSkip() {
		got.PreScore = fwk.Success.String()
		return got
	}
	if !status.IsSuccess() {
		return got
	}
	list := make(fwk.NodeScoreList, len(hosts))
	sums := make([]int64, len(hosts))
	for i := range hosts {
		sum, status := s.Score(w.ctx, state, pod, hosts[i])
		if !status.IsSuccess() {
			t.Fatalf("%s: Score: %v", s.Name(), status)
		}
		list[i], sums[i] = fwk.NodeScore{Name: hosts[i].Node().Name, Score: sum}, sum
	}
	got.Order = order(sums)
	if status := s.NormalizeScore(w.ctx, state, pod, list); !status.IsSuccess() {
		t.Fatalf("%s: NormalizeScore: %v", s.Name(), status)
	}
	for i := range list {
		got.Points[i] = list[i].Score
	}
	return got
}

func order(sums []int64) []int {
	sorted := slices.Clone(sums)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	places := make([]int, len(sums))
	for i := range sums {
		places[i], _ = slices.BinarySearchFunc(sorted, sums[i], cmp.Compare[int64])
	}
	return places
}

// compare asks both, and returns what they say when they say the same.
func (w *twins) compare(t rapid.TB, pod *corev1.Pod, moves [][]move) answer {
	t.Helper()
	hosts := w.refresh(t)
	want := w.ask(t, w.upstream, w.asUpstreamMeans(t, pod), hosts, moves)
	got := w.ask(t, w.ours, pod, hosts, moves)
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("not as upstream (-upstream +ours):\n%s\npod %s\n%s%s", gocmp.Diff(want, got), describe(pod), w.describe(hosts), describeMoves(moves))
	}
	return want
}

// asUpstreamMeans replaces namespace selectors of the pod by the names that they select, where kube-scheduler 1.34 and
// 1.35 take them for all namespaces (kubernetes/kubernetes#138198): those that would select a namespace without labels.
func (w *twins) asUpstreamMeans(t rapid.TB, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	meant := pod.DeepCopy()
	for _, term := range termsIn(meant.Spec.Affinity) {
		if term.NamespaceSelector == nil {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(term.NamespaceSelector)
		if err != nil || selector.Empty() || !selector.Matches(labels.Set{}) {
			continue
		}
		term.NamespaceSelector = nil
		for _, object := range w.namespaces.List() {
			if namespace, ok := object.(*corev1.Namespace); ok && selector.Matches(labels.Set(namespace.Labels)) {
				term.Namespaces = append(term.Namespaces, namespace.Name)
			}
		}
		if len(term.Namespaces) == 0 {
			term.Namespaces = []string{"none is selected"} // an empty list means the pod's own
		}
	}
	return meant
}

func termsIn(affinity *corev1.Affinity) []*corev1.PodAffinityTerm {
	var terms []*corev1.PodAffinityTerm
	if affinity == nil {
		return nil
	}
	add := func(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
		for i := range required {
			terms = append(terms, &required[i])
		}
		for i := range preferred {
			terms = append(terms, &preferred[i].PodAffinityTerm)
		}
	}
	if a := affinity.PodAffinity; a != nil {
		add(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if a := affinity.PodAntiAffinity; a != nil {
		add(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	return terms
}

// found are differences between the two that random clusters have found, shrunk. asUpstreamMeans says why there are these; there are no others.
var found = map[string]podBuilder{
	"NotIn":        makePod("p").Anti(term(zone, "app=web").InThose("team notin (blue)")),
	"DoesNotExist": makePod("p").Anti(term(zone, "app=web").InThose("!team")),
	"in affinity":  makePod("p").Near(term(zone, "app=web").InThose("team notin (blue)")),
}

// When upstream has mended them, this fails: then asUpstreamMeans can go.
func TestFound(t *testing.T) {
	for name, pod := range found {
		t.Run(name, func(t *testing.T) {
			w := scene{nodes: oneHost(), pods: []podBuilder{with("w", "app", "web").Namespace("blue-1").On("h")}, namespaces: teams()}.twins(t)
			w.compare(t, pod.Obj(), nil) // as it is meant
			ours, _ := w.refused(t, w.ours, pod)
			if theirs, _ := w.refused(t, w.upstream, pod); (theirs["h"] == "") == (ours["h"] == "") {
				t.Errorf("both say %q", ours["h"])
			}
		})
	}
}
