// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// TestRoomIsMade goes through who may have to go, and how; each case is two hosts of 64 GiB, of which the first has 30 GiB of
// victims on it, and the second room for them, but for 48 GiB on neither.
func TestRoomIsMade(t *testing.T) {
	full := makeVM("full", 30).Priority(100).On("b")
	tests := map[string]struct {
		args      func(*config.VMPreemptionArgs)
		vms       []vmBuilder
		pods      []*corev1.Pod
		comes     *corev1.Pod
		nominated string
		moves     []string
		deleted   []string
		why       string
	}{
		"a VM moves": {
			vms: []vmBuilder{makeVM("v", 30).On("a")}, nominated: "a", moves: []string{"v>b"},
		},
		"also for a pod that is no VM": {
			vms: []vmBuilder{makeVM("v", 30).On("a")}, comes: makePod("comes", 48).Priority(100).Obj(), nominated: "a", moves: []string{"v>b"},
		},
		"no strategy": {
			vms: []vmBuilder{makeVM("v", 30).Strategy("").On("a")}, nominated: "a", moves: []string{"v>b"},
		},
		"no strategy, and such VMs are not moved": {
			args: func(a *config.VMPreemptionArgs) { a.MoveStrategyNone = false }, vms: []vmBuilder{makeVM("v", 30).Strategy("").On("a")},
		},
		"cannot be migrated": {
			vms: []vmBuilder{makeVM("v", 30).Strategy(kubevirtv1.EvictionStrategyLiveMigrateIfPossible).Migratable(false).On("a")},
		},
		"External":             {vms: []vmBuilder{makeVM("v", 30).Strategy(kubevirtv1.EvictionStrategyExternal).On("a")}},
		"annotated":            {vms: []vmBuilder{makeVM("v", 30).Annotation(config.PreemptionAnnotation, config.PreemptionNever).On("a")}},
		"paused":               {vms: []vmBuilder{makeVM("v", 30).Paused().On("a")}},
		"of another scheduler": {vms: []vmBuilder{makeVM("v", 30).Scheduler("default-scheduler").On("a")}},
		"of another scheduler, which may be moved, but for which there is no profile": {
			args: func(a *config.VMPreemptionArgs) { a.VMsOfOtherSchedulers = true },
			vms:  []vmBuilder{makeVM("v", 30).Scheduler("default-scheduler").On("a")}, why: "VM default/v would have to move but fits nowhere",
		},
		"its VirtualMachineInstance is not known": {pods: []*corev1.Pod{makeVM("v", 30).On("a").pod}},
		"a launcher that does not say whose":      {pods: []*corev1.Pod{makePod("p", 30).Priority(10).Label(kubevirtv1.AppLabel, "virt-launcher").On("a").Obj()}},
		"is being shut down already": {
			vms:       []vmBuilder{makeVM("v", 30).Migratable(false).Ending().On("a"), makeVM("w", 15).On("a")},
			nominated: "a",
		},
		"is being shut down already, and it is not enough": {
			vms: []vmBuilder{makeVM("v", 20).Ending().On("a"), makeVM("w", 12).On("a")}, comes: makeVM("comes", 60).Priority(100).Obj(),
			nominated: "a", moves: []string{"w>b"},
		},
		"a pod is being deleted already": {
			vms: []vmBuilder{makeVM("v", 15).On("a")}, pods: []*corev1.Pod{makePod("p", 15).Priority(10).Ending().On("a").Obj()},
			comes: makeVM("comes", 40).Priority(100).Obj(), nominated: "a",
		},
		"of higher priority": {vms: []vmBuilder{makeVM("v", 30).Priority(1000).On("a")}},
		"has no home": {
			vms: []vmBuilder{makeVM("v", 30).On("a"), makeVM("more", 20).Priority(100).On("b")}, why: "VM default/v would have to move but fits nowhere",
		},
		"only those that have to": {
			vms: []vmBuilder{makeVM("small", 5).On("a"), makeVM("large", 20).On("a"), makeVM("tiny", 5).On("a")}, nominated: "a", moves: []string{"large>b"},
		},
		"two at the same time": {
			vms: []vmBuilder{makeVM("v", 15).On("a"), makeVM("w", 15).On("a")}, comes: makeVM("comes", 60).Priority(100).Obj(),
			nominated: "a", moves: []string{"v>b", "w>b"},
		},
		"two of which one only has a home": {
			vms: []vmBuilder{makeVM("v", 20).On("a"), makeVM("w", 20).On("a")},
			why: "default/v, default/w would have to move but do not fit anywhere at the same time",
		},
		"a pod that is no VM is deleted, as upstream does": {
			pods: []*corev1.Pod{makePod("p", 30).Priority(10).On("a").Obj()}, nominated: "a", deleted: []string{"p"},
		},
		"a move rather than a kill": {
			vms: []vmBuilder{makeVM("v", 15).On("a")}, pods: []*corev1.Pod{makePod("p", 15).Priority(5).On("a").Obj()},
			comes: makeVM("comes", 40).Priority(100).Obj(), nominated: "a", moves: []string{"v>b"},
		},
		"an attached disk goes with its VM": {
			vms: []vmBuilder{makeVM("v", 28).On("a")}, pods: []*corev1.Pod{makeVM("v", 28).On("a").Attached(2).Obj()},
			comes: makeVM("comes", 63).Priority(100).Obj(), nominated: "a", moves: []string{"v>b"},
		},
		"an attached disk never goes alone": {
			vms:  []vmBuilder{makeVM("v", 14).Priority(1000).On("a")},
			pods: []*corev1.Pod{makeVM("v", 14).On("a").Attached(16).Obj()},
		},
		"an attached disk never goes alone, also where another VM may": {
			vms:  []vmBuilder{makeVM("v", 14).Priority(1000).On("a"), makeVM("w", 4).On("a")},
			pods: []*corev1.Pod{makeVM("v", 14).On("a").Attached(16).Obj()},
		},
		"the home keeps the VM's own rules": {
			vms: []vmBuilder{
				{makeVM("v", 30).On("a").Label("app", "db").Apart(corev1.LabelHostname, "app", "db"), makeVM("v", 30).On("a").vmi},
				{makeVM("other", 1).Priority(100).On("b").Label("app", "db"), makeVM("other", 1).On("b").vmi},
			},
			why: "VM default/v would have to move but fits nowhere",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, ctx := start(t, tc.args, []*corev1.Node{makeNode("a", 64), makeNode("b", 64)}, append(tc.vms, full), tc.pods)
			comes := tc.comes
			if comes == nil {
				comes = makeVM("comes", 48).Priority(100).Obj()
			}
			outcome, err := s.Schedule(ctx, comes)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Scheduler.Settle(ctx); err != nil {
				t.Fatal(err)
			}
			if outcome.Bound() || outcome.Nominated != tc.nominated {
				t.Errorf("bound to %q, nominated to %q; want nominated to %q; %s", outcome.Node, outcome.Nominated, tc.nominated, outcome.Status.Message())
			}
			if diff := cmp.Diff(tc.moves, s.moves(t), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("moves (-want +got):\n%s\n%s", diff, outcome.Status.Message())
			}
			var deleted []string
			for _, p := range tc.pods {
				if !s.there(p.Namespace, p.Name) {
					deleted = append(deleted, p.Name)
				}
			}
			for _, v := range tc.vms {
				if !s.there(v.pod.Namespace, v.pod.Name) {
					deleted = append(deleted, v.pod.Name)
				}
			}
			if diff := cmp.Diff(tc.deleted, deleted, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("deleted (-want +got):\n%s", diff)
			}
			if !strings.Contains(outcome.Status.Message(), tc.why) {
				t.Errorf("message %q, want %q in it", outcome.Status.Message(), tc.why)
			}
		})
	}
}

// crowd is one VM on each of two hosts, and room for neither of them to be beside who comes.
func crowd(t *testing.T, change func(*config.VMPreemptionArgs)) (*sim, context.Context) {
	t.Helper()
	return start(t, change, []*corev1.Node{makeNode("a", 64), makeNode("b", 64)},
		[]vmBuilder{makeVM("v", 30).On("a"), makeVM("full", 30).Priority(100).On("b")}, nil)
}

// comes is tried, and nominated to a.
func (s *sim) comes(ctx context.Context, t tb) vmBuilder {
	t.Helper()
	comes := makeVM("comes", 48).Priority(100)
	s.SetVMI(comes.vmi)
	outcome, err := s.Schedule(ctx, comes.Obj())
	if err != nil || outcome.Nominated != "a" {
		t.Fatalf("%+v, %v; want it nominated to a", outcome, err)
	}
	return comes
}

// TestUntilItIsPlaced: the whole way, until the pod for which room was made runs there, and the VM elsewhere.
func TestUntilItIsPlaced(t *testing.T) {
	s, ctx := crowd(t, nil)
	comes := s.comes(ctx, t)
	s.begin(t)
	if got := s.drain(ctx, t); len(got) != 1 {
		t.Fatalf("bound: %v, want the target only", got)
	}
	if n, err := s.kubevirt.End(); err != nil || n != 1 {
		t.Fatalf("%d VMs arrived, %v; want 1", n, err)
	}
	if got := s.drain(ctx, t); got[comes.pod.Name] != "a" {
		t.Errorf("bound: %v, want %s on a", got, comes.pod.Name)
	}
}

// A move that fails is not begun again on the same host, and no promise is left.
func TestAMoveFails(t *testing.T) {
	s, ctx := crowd(t, nil)
	comes := s.comes(ctx, t)
	s.begin(t)
	s.drain(ctx, t)
	if err := s.kubevirt.Fail(); err != nil {
		t.Fatal(err)
	}
	s.drain(ctx, t)
	pod, _ := s.Pod(comes.pod.Namespace, comes.pod.Name)
	if pod.Status.NominatedNodeName != "" || pod.Spec.NodeName != "" {
		t.Errorf("who came: nominated to %q, on %q; want neither", pod.Status.NominatedNodeName, pod.Spec.NodeName)
	}
	if got := s.moves(t); len(got) != 1 {
		t.Errorf("moves %v, want the failed one only", got)
	}
	if !s.there("default", "virt-launcher-v") {
		t.Error("the VM is gone")
	}
}

// Who came is deleted while the VM moves: the move is given up.
func TestNobodyNeedsTheRoom(t *testing.T) {
	s, ctx := crowd(t, nil)
	comes := s.comes(ctx, t)
	s.DeletePod(comes.pod.Namespace, comes.pod.Name)
	s.eventually(ctx, t, "the move is given up", func() bool { return len(s.moves(t)) == 0 })
}

// A scheduler that starts anew neither repeats the moves of the one before, nor loses them.
func TestRestart(t *testing.T) {
	first, ctx := crowd(t, nil)
	comes := first.comes(ctx, t)
	if err := first.Scheduler.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	second, err := first.Start(ctx, simapi.Config{Profiles: shipped(t, nil), Registry: plugins.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{API: first.API, Scheduler: second, kubevirt: first.kubevirt}
	s.drain(ctx, t)
	if got := s.moves(t); len(got) != 1 {
		t.Fatalf("moves %v, want the first one only", got)
	}
	s.begin(t)
	s.drain(ctx, t)
	if n, err := s.kubevirt.End(); err != nil || n != 1 {
		t.Fatalf("%d VMs arrived, %v; want 1", n, err)
	}
	if got := s.drain(ctx, t); got[comes.pod.Name] != "a" {
		t.Errorf("bound: %v, want %s on a", got, comes.pod.Name)
	}
}

// A host becomes free elsewhere while the VM moves: who came goes there, and the move is given up.
func TestPlacedElsewhere(t *testing.T) {
	s, ctx := crowd(t, nil)
	comes := s.comes(ctx, t)
	s.SetNode(makeNode("c", 64))
	if got := s.drain(ctx, t); got[comes.pod.Name] != "c" {
		t.Fatalf("bound: %v, want %s on c", got, comes.pod.Name)
	}
	s.eventually(ctx, t, "the move is given up", func() bool { return len(s.moves(t)) == 0 })
}

// A target that finds no host makes nobody leave for it.
func TestNoCascade(t *testing.T) {
	s, ctx := crowd(t, nil)
	s.comes(ctx, t)
	// Somebody of low priority takes the home before the target comes.
	s.SetPod(makePod("quick", 30).Priority(1).On("b").Obj())
	s.begin(t)
	s.drain(ctx, t)
	if !s.there("default", "quick") {
		t.Error("a pod was deleted for the target of a move")
	}
}
