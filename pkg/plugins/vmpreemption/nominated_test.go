// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
)

// Nominated is a pod that waits for something that does not happen, and is promised room on a node meanwhile.
func (b podBuilder) Nominated(node string) podBuilder {
	never := corev1.PreemptNever
	b.pod.Spec.PreemptionPolicy, b.pod.Spec.NodeSelector = &never, map[string]string{"nowhere": "yet"}
	b.pod.Status.NominatedNodeName = node
	return b
}

// TestNominatedPods: what is promised to others counts where room is made, and where VMs are to go. A VM of 30 GiB, priority 10, on a, and a pod of 48
// GiB, priority 100, that comes.
func TestNominatedPods(t *testing.T) {
	tests := map[string]struct {
		vms       []vmBuilder // instead of that VM
		pods      []*corev1.Pod
		nominated string
		moves     []string
		// promised is what is promised to the others afterwards.
		promised map[string]string
	}{
		"higher, on the node": {pods: []*corev1.Pod{makePod("n", 20).Priority(200).Nominated("a").Obj()}, promised: map[string]string{"n": "a"}},
		"equal, on the node":  {pods: []*corev1.Pod{makePod("n", 20).Priority(100).Nominated("a").Obj()}, promised: map[string]string{"n": "a"}},
		"higher, on the node, and there is room for both": {
			pods: []*corev1.Pod{makePod("n", 10).Priority(200).Nominated("a").Obj()}, nominated: "a", moves: []string{"v>b"}, promised: map[string]string{"n": "a"},
		},
		"higher, on the node, and there is room for both when two VMs go": {
			vms: []vmBuilder{makeVM("v", 18).On("a"), makeVM("w", 10).On("a")}, pods: []*corev1.Pod{makePod("n", 12).Priority(200).Nominated("a").Obj()},
			nominated: "a", moves: []string{"v>b", "w>b"}, promised: map[string]string{"n": "a"},
		},
		"lower, on the node": {
			pods: []*corev1.Pod{makePod("n", 20).Priority(50).Nominated("a").Obj()}, nominated: "a", moves: []string{"v>b"}, promised: map[string]string{"n": ""},
		},
		"higher than the VM, on its home": {pods: []*corev1.Pod{makePod("n", 10).Priority(50).Nominated("b").Obj()}, promised: map[string]string{"n": "b"}},
		"lower than the VM, on its home": {
			pods: []*corev1.Pod{makePod("n", 10).Priority(5).Nominated("b").Obj()}, nominated: "a", moves: []string{"v>b"}, promised: map[string]string{"n": "b"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.vms == nil {
				tc.vms = []vmBuilder{makeVM("v", 30).On("a")}
			}
			s, ctx := start(t, nil, []*corev1.Node{makeNode("a", 64), makeNode("b", 64)}, append(tc.vms, makeVM("full", 30).Priority(1000).On("b")), tc.pods)
			s.drain(ctx, t)
			comes := makeVM("comes", 48).Priority(100)
			s.SetVMI(comes.vmi)
			outcome, err := s.Schedule(ctx, comes.Obj())
			if err != nil {
				t.Fatal(err)
			}
			if outcome.Nominated != tc.nominated {
				t.Errorf("nominated to %q, want %q: %s", outcome.Nominated, tc.nominated, outcome.Status.Message())
			}
			if diff := cmp.Diff(tc.moves, s.moves(t), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("moves (-want +got):\n%s", diff)
			}
			for pod, want := range tc.promised {
				if got := s.nomination(pod); got != want {
					t.Errorf("pod %s is nominated to %q, want %q", pod, got, want)
				}
			}
		})
	}
}

// TestZones: rules of who comes about the VMs that move hold where these arrive. Hosts a and a2 are in a zone, b in another.
func TestZones(t *testing.T) {
	spread := func(b podBuilder) podBuilder {
		b.Label("app", "db").pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selecting("app", "db"),
		}}
		return b
	}
	apart := func(b podBuilder) podBuilder { return b.Apart(corev1.LabelTopologyZone, "app", "db") }
	plain := func(b podBuilder) podBuilder { return b }
	tests := map[string]struct {
		rule func(podBuilder) podBuilder
		// a2 and b are how much room there is.
		a2, b int
		moves []string
	}{
		"no rule: where there is most room":              {rule: plain, a2: 40, b: 35, moves: []string{"v>a2"}},
		"apart from it: to the other zone":               {rule: apart, a2: 40, b: 35, moves: []string{"v>b"}},
		"apart from it, and no room in the other zone":   {rule: apart, a2: 40, b: 10},
		"spread: it counts where it arrives":             {rule: spread, a2: 10, b: 35, moves: []string{"v>b"}},
		"spread, and it could only go to the same zone":  {rule: spread, a2: 40, b: 10},
		"spread, and it could go to either, but b first": {rule: spread, a2: 35, b: 40, moves: []string{"v>b"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v := makeVM("v", 30).On("a")
			v.Label("app", "db")
			s, ctx := start(t, nil, []*corev1.Node{makeNode("a", 64), makeNode("a2", 64), makeNode("b", 64)}, []vmBuilder{v}, []*corev1.Pod{
				makePod("full-a2", 64-tc.a2).Priority(1000).On("a2").Obj(), makePod("full-b", 64-tc.b).Priority(1000).On("b").Obj(),
			})
			comes := makeVM("comes", 48).Priority(100)
			comes.podBuilder = tc.rule(comes.podBuilder)
			s.SetVMI(comes.vmi)
			outcome, err := s.Schedule(ctx, comes.Obj())
			if err != nil {
				t.Fatal(err)
			}
			if (outcome.Nominated == "a") != (len(tc.moves) > 0) {
				t.Errorf("nominated to %q: %s", outcome.Nominated, outcome.Status.Message())
			}
			if diff := cmp.Diff(tc.moves, s.moves(t), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("moves (-want +got):\n%s", diff)
			}
		})
	}
}
