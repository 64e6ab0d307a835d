// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"pgregory.net/rapid"
)

// plainCluster is a cluster without VMs, and pods that come to it one after another. Everything in it that upstream's order of candidates
// could tie by is different, start times above all: upstream decides between equal ones by lot.
type plainCluster struct {
	nodes   []plainNode
	budgets []plainBudget
	comers  []plainComer
}

type plainNode struct {
	memory    int
	pods      []plainPod
	nominated []plainPod // wait, and are nominated to the node
}

type plainPod struct {
	memory, age int
	priority    int32
	app         string
}

type plainBudget struct {
	app     string
	allowed int32
}

type plainComer struct {
	memory   int
	priority int32
	never    bool
	apart    string // keeps out of zones with such pods
}

func drawPlainCluster(t *rapid.T) (c plainCluster) {
	apps := rapid.SampledFrom([]string{"red", "green", "blue"})
	priority := rapid.Int32Range(0, 5)
	ages := rapid.Permutation(slices.Collect(numbers(64))).Draw(t, "ages")
	draw := func(what string) plainPod {
		p := plainPod{memory: rapid.IntRange(1, 9).Draw(t, what+" memory"), priority: priority.Draw(t, what+" priority"), app: apps.Draw(t, what+" app"), age: ages[0]}
		ages = ages[1:]
		return p
	}
	for range rapid.IntRange(2, 5).Draw(t, "nodes") {
		n := plainNode{memory: rapid.IntRange(8, 20).Draw(t, "node memory")}
		free := n.memory
		for range rapid.IntRange(1, 6).Draw(t, "pods") {
			if p := draw("pod"); p.memory <= free {
				free -= p.memory
				n.pods = append(n.pods, p)
			}
		}
		for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "nominated pods") {
			n.nominated = append(n.nominated, draw("nominated"))
		}
		c.nodes = append(c.nodes, n)
	}
	for range rapid.IntRange(0, 3).Draw(t, "budgets") {
		c.budgets = append(c.budgets, plainBudget{app: apps.Draw(t, "budget"), allowed: rapid.Int32Range(0, 2).Draw(t, "allowed")})
	}
	for range rapid.IntRange(1, 2).Draw(t, "comers") {
		comer := plainComer{memory: rapid.IntRange(4, 14).Draw(t, "comer memory"), priority: rapid.Int32Range(2, 6).Draw(t, "comer priority")}
		comer.never = rapid.IntRange(0, 9).Draw(t, "never") == 0
		if rapid.IntRange(0, 3).Draw(t, "apart") == 0 {
			comer.apart = apps.Draw(t, "apart from")
		}
		c.comers = append(c.comers, comer)
	}
	return c
}

func numbers(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// result is what came of a pod that came, and what was left.
type result struct {
	Bound     bool
	Nominated string
	// Pods are all that are there afterwards: "name", "name@node" when bound, "name>node" when nominated.
	Pods []string
}

// stage sets a cluster up for one profile; UIDs are those of no other stage.
type stage struct {
	*sim
	ctx   context.Context
	round int
}

func (s *stage) clear(t tb) {
	t.Helper()
	for _, p := range s.Pods() {
		s.DeletePod(p.Namespace, p.Name)
	}
	for _, letter := range "abcdefgh" {
		s.DeleteNode(string(letter))
	}
	budgets := s.Client().PolicyV1().PodDisruptionBudgets(metav1.NamespaceDefault)
	list, err := budgets.List(s.ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if err := budgets.Delete(s.ctx, list.Items[i].Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Scheduler.Settle(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.round++
}

func (s *stage) own(p *corev1.Pod) *corev1.Pod {
	p.UID = types.UID(fmt.Sprintf("%s-%d", p.UID, s.round))
	return p
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *stage) pod(name string, p plainPod) *corev1.Pod {
	pod := makePod(name, p.memory).Priority(p.priority).Label("app", p.app).Obj()
	pod.CreationTimestamp = metav1.NewTime(epoch.Add(-time.Duration(p.age) * time.Minute))
	return s.own(pod)
}

// awaitBudgets waits until the scheduler knows these budgets and no others: they come from client-go's fake, of which Settle knows nothing.
func (s *stage) awaitBudgets(t tb, budgets []plainBudget) {
	t.Helper()
	want := map[string]plainBudget{}
	for i, b := range budgets {
		want[fmt.Sprint("budget-", i)] = b
	}
	lister := s.Profiles["stock"].SharedInformerFactory().Policy().V1().PodDisruptionBudgets().Lister()
	err := wait.PollUntilContextTimeout(s.ctx, time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		known, err := lister.List(labels.Everything())
		got := map[string]plainBudget{}
		for _, b := range known {
			got[b.Name] = plainBudget{app: b.Spec.Selector.MatchLabels["app"], allowed: b.Status.DisruptionsAllowed}
		}
		return maps.Equal(want, got), err
	})
	if err != nil {
		t.Fatalf("the scheduler does not know the budgets: %v", err)
	}
}

// play lets all come to the cluster, in a profile, and returns what came of each.
func (s *stage) play(t tb, c plainCluster, profile string) (results []result) {
	t.Helper()
	s.clear(t)
	for i, b := range c.budgets {
		budget := &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprint("budget-", i)},
			Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": b.app}}},
			Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: b.allowed},
		}
		if _, err := s.Client().PolicyV1().PodDisruptionBudgets(metav1.NamespaceDefault).Create(s.ctx, budget, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.awaitBudgets(t, c.budgets)
	for i, n := range c.nodes {
		name := string(rune('a' + i))
		node := makeNode(name, n.memory)
		node.UID = types.UID(fmt.Sprintf("%s-%d", name, s.round))
		node.Labels[corev1.LabelTopologyZone] = fmt.Sprint("zone-", i%2)
		s.SetNode(node)
		for j, p := range n.pods {
			pod := s.pod(fmt.Sprintf("%s-%d", name, j), p)
			pod.Spec.NodeName, pod.Status.Phase, pod.Status.StartTime = name, corev1.PodRunning, &pod.CreationTimestamp
			s.SetPod(pod)
		}
		for j, p := range n.nominated {
			pod := s.pod(fmt.Sprintf("%s-nominated-%d", name, j), p)
			pod.Spec.SchedulerName, pod.Status.NominatedNodeName = profile, name
			// It waits for something else that nobody makes happen.
			never := corev1.PreemptNever
			pod.Spec.PreemptionPolicy, pod.Spec.NodeSelector = &never, map[string]string{"nowhere": "yet"}
			s.SetPod(pod)
		}
		gated := s.own(makePod(name+"-gated", 2).Priority(9).Scheduler(profile).Obj())
		gated.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "gate"}}
		s.SetPod(gated)
	}
	s.drain(s.ctx, t)
	for i, comer := range c.comers {
		b := makePod(fmt.Sprint("comer-", i), comer.memory).Priority(comer.priority).Scheduler(profile)
		if comer.apart != "" {
			b.Apart(corev1.LabelTopologyZone, "app", comer.apart)
		}
		if comer.never {
			never := corev1.PreemptNever
			b.pod.Spec.PreemptionPolicy = &never
		}
		outcome, err := s.Schedule(s.ctx, s.own(b.Obj()))
		if err != nil {
			t.Fatal(err)
		}
		r := result{Bound: outcome.Bound(), Nominated: outcome.Nominated}
		if outcome.Bound() { // where is a question of scores
			s.DeletePod(metav1.NamespaceDefault, b.pod.Name)
		}
		s.drain(s.ctx, t)
		for _, p := range s.Pods() {
			name := p.Name
			if p.Spec.NodeName != "" {
				name += "@" + p.Spec.NodeName
			}
			if p.Status.NominatedNodeName != "" {
				name += ">" + p.Status.NominatedNodeName
			}
			r.Pods = append(r.Pods, name)
		}
		results = append(results, r)
	}
	return results
}

// TestPlainPodsAsUpstream: without VMs the pods that are deleted, and the node that is promised, are those that the stock profile chooses.
func TestPlainPodsAsUpstream(t *testing.T) {
	s, ctx := start(t, nil, nil, nil, nil)
	st := &stage{sim: s, ctx: ctx}
	preempted, none, comers := 0, 0, 0
	for range 2 { // rapid tries a property 100 times
		rapid.Check(t, func(t *rapid.T) {
			c := drawPlainCluster(t)
			want, got := st.play(t, c, "stock"), st.play(t, c, "virt-scheduler")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-stock +ours):\n%s", diff)
			}
			for _, r := range want {
				comers++
				switch {
				case r.Nominated != "":
					preempted++
				case !r.Bound:
					none++
				}
			}
		})
	}
	t.Logf("%d pods came: %d preempted, %d found no room", comers, preempted, none)
	if preempted < 60 || none < 10 {
		t.Errorf("of %d pods that came %d preempted, and %d found no room: that shows nothing", comers, preempted, none)
	}
}
