// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

var migrations = kubevirtv1.GroupVersion.WithResource("virtualmachineinstancemigrations")

// asked lets migrations of VMs be refused, and remembers of which they were asked for.
type asked struct {
	mu  sync.Mutex
	vms []string
}

func (s *sim) askedFor(answer func(vm string) error) *asked {
	a := &asked{}
	s.OnCreate(migrations, func(o metav1.Object) error {
		vm := o.GetAnnotations()["virt-scheduler.io/vmi-uid"]
		a.mu.Lock()
		a.vms = append(a.vms, vm)
		a.mu.Unlock()
		return answer(vm)
	})
	return a
}

func (a *asked) were() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.vms
}

// elsewhere is a VM on each of two hosts, either of which may go to the third for a pod of 40 GiB, which would not fit there itself.
func elsewhere(t *testing.T, pods ...*corev1.Pod) (*sim, context.Context) {
	t.Helper()
	pods = append(pods, makePod("full-a", 20).Priority(1000).On("a").Obj(), makePod("full-b", 20).Priority(1000).On("b").Obj(), makePod("full-c", 30).Priority(1000).On("c").Obj())
	return start(t, nil, []*corev1.Node{makeNode("a", 64), makeNode("b", 64), makeNode("c", 64)},
		[]vmBuilder{makeVM("v", 30).On("a"), makeVM("w", 31).On("b")}, pods)
}

func (s *sim) nomination(name string) string {
	pod, _ := s.Pod(metav1.NamespaceDefault, name)
	return pod.Status.NominatedNodeName
}

// A move that the API refuses is not asked for again, nothing is promised any more, and the next best host is taken.
func TestTheAPIRefuses(t *testing.T) {
	tests := map[string]struct {
		refused   map[string]bool
		asked     []string
		nominated string
		moves     []string
	}{
		"nothing":    {asked: []string{"vmi-v"}, nominated: "a", moves: []string{"v>c"}},
		"one":        {refused: map[string]bool{"vmi-v": true}, asked: []string{"vmi-v", "vmi-w"}, nominated: "b", moves: []string{"w>c"}},
		"everything": {refused: map[string]bool{"vmi-v": true, "vmi-w": true}, asked: []string{"vmi-v", "vmi-w"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, ctx := elsewhere(t)
			a := s.askedFor(func(vm string) error {
				if tc.refused[vm] {
					return errors.New("not today")
				}
				return nil
			})
			comes := makeVM("comes", 40).Priority(100)
			s.SetVMI(comes.vmi)
			if _, err := s.Schedule(ctx, comes.Obj()); err != nil {
				t.Fatal(err)
			}
			s.drain(ctx, t)
			s.stir(ctx, t)
			if got := s.nomination(comes.pod.Name); got != tc.nominated {
				t.Errorf("nominated to %q, want %q", got, tc.nominated)
			}
			if diff := cmp.Diff(tc.asked, a.were()); diff != "" {
				t.Errorf("asked to move (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.moves, s.moves(t), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("moves (-want +got):\n%s", diff)
			}
		})
	}
}

// Where a move is refused no pod is deleted, and no other VM evicted, for the same room.
func TestNothingIsDoneWhereAMoveIsRefused(t *testing.T) {
	v, w := makeVM("v", 15).On("a"), stuck("w", 15).On("a")
	pod := makePod("p", 15).Priority(10).On("a").Obj()
	s, ctx := start(t, evicting, []*corev1.Node{makeNode("a", 64), makeNode("b", 64)}, []vmBuilder{v, w, makeVM("full", 30).Priority(1000).On("b")}, []*corev1.Pod{pod})
	hook := s.webhook(nil)
	s.askedFor(func(string) error { return errors.New("not today") })
	comes := makeVM("comes", 60).Priority(100)
	s.SetVMI(comes.vmi)
	if outcome, err := s.Schedule(ctx, comes.Obj()); err != nil || outcome.Nominated != "a" {
		t.Fatalf("%+v, %v; want it nominated to a", outcome, err)
	}
	s.drain(ctx, t)
	if !s.there(pod.Namespace, pod.Name) {
		t.Error("the pod was deleted")
	}
	if got := hook.was(); len(got) > 0 {
		t.Errorf("evictions: %v", got)
	}
	s.untouched(t, v, w)
	if got := s.nomination(comes.pod.Name); got != "" {
		t.Errorf("nominated to %q, want nothing", got)
	}
}

// A VM whose strategy becomes None while its move is written lives, and moves.
func TestStrategyBecomesNone(t *testing.T) {
	s, ctx := crowd(t, nil)
	release := make(chan struct{})
	s.askedFor(func(string) error {
		<-release
		return nil
	})
	hook := s.webhook(nil)
	s.comes(ctx, t)
	s.SetVMI(makeVM("v", 30).Strategy(kubevirtv1.EvictionStrategyNone).On("a").vmi)
	if err := s.Scheduler.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	close(release)
	s.drain(ctx, t)
	if got := s.moves(t); len(got) != 1 || got[0] != "v>b" {
		t.Errorf("moves %v, want v>b", got)
	}
	if !s.there("default", "virt-launcher-v") || len(hook.was()) > 0 {
		t.Errorf("the VM is gone, or was evicted: %v", hook.was())
	}
}
