// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// A nomination that somebody has cleared while VMs move is made again, and nothing is asked for twice.
func TestNominationIsCleared(t *testing.T) {
	s, ctx := crowd(t, nil)
	comes := s.comes(ctx, t)
	now, _ := s.Pod("default", comes.pod.Name)
	cleared := now.DeepCopy()
	cleared.Status.NominatedNodeName = ""
	s.SetPod(cleared)
	s.stir(ctx, t)
	if got := s.nomination(comes.pod.Name); got != "a" {
		t.Errorf("nominated to %q, want a again", got)
	}
	if got := s.moves(t); len(got) != 1 {
		t.Errorf("moves %v, want the first one only", got)
	}
}

// Who was held back while moves were being asked for is tried elsewhere while they go on, though nobody is deleted for it.
func TestHeldBackAndTriedElsewhere(t *testing.T) {
	s, ctx := crowd(t, nil)
	release := make(chan struct{})
	s.askedFor(func(string) error {
		<-release
		return nil
	})
	comes := s.comes(ctx, t)
	c := makeNode("c", 64)
	c.Spec.Taints = []corev1.Taint{{Key: "closed", Effect: corev1.TaintEffectNoSchedule}}
	s.SetNode(c)
	if got := s.drain(ctx, t); len(got) > 0 {
		t.Fatalf("bound: %v", got)
	}
	s.SetNode(makeNode("c", 64)) // it is open now, and nobody is told: who came is still held back
	if got := s.drain(ctx, t); len(got) > 0 {
		t.Fatalf("bound: %v", got)
	}
	close(release)
	s.drain(ctx, t)
	noted := makeNode("c", 64)
	noted.Annotations["note"] = "a heartbeat"
	s.SetNode(noted)
	if got := s.drain(ctx, t); got[comes.pod.Name] != "c" {
		t.Errorf("bound: %v, want %s on c", got, comes.pod.Name)
	}
	s.eventually(ctx, t, "the move is given up", func() bool { return len(s.moves(t)) == 0 })
}

// Two who come before KubeVirt has made a target for the first: the room on a home is taken once.
func TestHomesAreTakenOnce(t *testing.T) {
	full := func(node string, memory int) *corev1.Pod {
		return makePod("full-"+node, memory).Priority(1000).On(node).Obj()
	}
	s, ctx := start(t, nil, []*corev1.Node{makeNode("a", 64), makeNode("b", 64), makeNode("c", 64), makeNode("d", 64)},
		[]vmBuilder{makeVM("v", 30).On("a"), makeVM("w", 30).On("b")},
		[]*corev1.Pod{full("a", 4), full("b", 4), full("c", 28), full("d", 29)})
	var comers []string
	for _, name := range []string{"one", "two", "three"} {
		comes := makeVM(name, 48).Priority(100)
		s.SetVMI(comes.vmi)
		if _, err := s.Schedule(ctx, comes.Obj()); err != nil {
			t.Fatal(err)
		}
		comers = append(comers, s.nomination(comes.pod.Name))
	}
	if diff := cmp.Diff([]string{"v>c", "w>d"}, sortedByVM(s.moves(t))); diff != "" {
		t.Errorf("moves (-want +got):\n%s", diff)
	}
	if comers[0] == "" || comers[1] == "" || comers[0] == comers[1] || comers[2] != "" {
		t.Errorf("nominated to %v, want the first two, and to different nodes", comers)
	}
	// When the VMs have moved their homes are as full as they are, and no fuller.
	s.begin(t)
	s.drain(ctx, t)
	if n, err := s.kubevirt.End(); err != nil || n != 2 {
		t.Fatalf("%d VMs arrived, %v; want 2", n, err)
	}
	s.drain(ctx, t)
	for _, name := range []string{"one", "two"} {
		if pod, _ := s.Pod("default", "virt-launcher-"+name); pod.Spec.NodeName == "" {
			t.Errorf("%s has no host", name)
		}
	}
}

// sortedByVM makes it unimportant which of two equal VMs moves first.
func sortedByVM(moves []string) []string {
	if len(moves) == 2 && moves[0] == "v>d" && moves[1] == "w>c" {
		return []string{"v>c", "w>d"}
	}
	return moves
}

// A VM that is to move for somebody is nobody else's victim, also before KubeVirt begins. A pod of higher priority that comes then gets its room all the same.
func TestAVMMovesForOne(t *testing.T) {
	s, ctx := start(t, nil, []*corev1.Node{makeNode("a", 64), makeNode("b", 64), makeNode("c", 64)}, []vmBuilder{makeVM("v", 30).On("a")},
		[]*corev1.Pod{makePod("full-b", 30).Priority(1000).On("b").Obj(), makePod("full-c", 32).Priority(1000).On("c").Obj()})
	a := s.askedFor(func(string) error { return nil })
	first := s.comes(ctx, t)
	second := makeVM("second", 48).Priority(200)
	s.SetVMI(second.vmi)
	if outcome, err := s.Schedule(ctx, second.Obj()); err != nil || outcome.Nominated != "" {
		t.Errorf("%+v, %v; want no nomination", outcome, err)
	}
	if got := s.nomination(first.pod.Name); got != "a" {
		t.Errorf("the first is nominated to %q, want a", got)
	}
	s.begin(t)
	s.drain(ctx, t)
	if n, err := s.kubevirt.End(); err != nil || n != 1 {
		t.Fatalf("%d VMs arrived, %v; want 1", n, err)
	}
	if got := s.drain(ctx, t); len(got) != 1 || got[second.pod.Name] != "a" {
		t.Errorf("bound: %v, want %s on a", got, second.pod.Name)
	}
	if got := a.were(); len(got) != 1 {
		t.Errorf("asked to move %v, want one", got)
	}
}
