// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmpreemption"
)

// webhook answers evictions, and remembers what was asked of it. Its pods stay where they are: whoever is gone all the same was deleted.
type webhook struct {
	mu     sync.Mutex
	asked  []string // "name", with "?" when it was only tried
	uids   map[string]string
	answer func(pod string, try bool) error
}

func (s *sim) webhook(answer func(pod string, try bool) error) *webhook {
	w := &webhook{uids: map[string]string{}, answer: answer}
	s.OnEvict(w.decide)
	return w
}

func (w *webhook) decide(eviction *policyv1.Eviction) (stays bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	try := len(eviction.DeleteOptions.DryRun) > 0
	asked := eviction.Name
	if try {
		asked += "?"
	}
	w.asked = append(w.asked, asked)
	if p := eviction.DeleteOptions.Preconditions; p != nil && p.UID != nil {
		w.uids[eviction.Name] = string(*p.UID)
	}
	if w.answer == nil {
		return true, nil
	}
	return true, w.answer(eviction.Name, try)
}

func (w *webhook) was() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

func tooMany(message string) error {
	return &apierrors.StatusError{ErrStatus: apierrors.NewTooManyRequestsError("admission webhook denied the request: " + message).ErrStatus}
}

func evicting(a *config.VMPreemptionArgs) { a.EvictNotMigratable = true }

func signalling(a *config.VMPreemptionArgs) { a.ExternalVMs = config.ExternalSignal }

func stuck(name string, memory int) vmBuilder {
	return makeVM(name, memory).Strategy(kubevirtv1.EvictionStrategyLiveMigrateIfPossible).Migratable(false)
}

// TestEvictions goes through what may be answered to an eviction. Each case is two hosts of 64 GiB with one VM each that may go for a pod of 48
// GiB, the one on a being the less important.
func TestEvictions(t *testing.T) {
	external := func(name string) vmBuilder { return makeVM(name, 30).Strategy(kubevirtv1.EvictionStrategyExternal) }
	const inFull = `Eviction triggered evacuation of VMI "default/v"`
	tests := map[string]struct {
		args   func(*config.VMPreemptionArgs)
		vms    []vmBuilder
		answer func(pod string, try bool) error
		asked  []string
		// nominated is where the room is made in the end.
		nominated string
	}{
		"taken": {args: evicting, vms: []vmBuilder{stuck("v", 30).On("a"), stuck("w", 31).Priority(20).On("b")}, asked: []string{"v"}, nominated: "a"},
		"too large for any other host": {
			args: evicting, vms: []vmBuilder{stuck("v", 60).On("a"), stuck("w", 62).Priority(1000).On("b")}, asked: []string{"v"}, nominated: "a",
		},
		"KubeVirt moves it instead": {
			args: evicting, vms: []vmBuilder{stuck("v", 30).On("a"), stuck("w", 31).Priority(20).On("b")},
			answer: func(string, bool) error { return tooMany(inFull) }, asked: []string{"v"}, nominated: "a",
		},
		"refused, and on the other host not": {
			args: evicting, vms: []vmBuilder{stuck("v", 30).On("a"), stuck("w", 31).Priority(20).On("b")},
			answer: func(pod string, _ bool) error {
				if pod == "virt-launcher-v" {
					return tooMany("Cannot evict pod as it would violate the pod's disruption budget.")
				}
				return nil
			},
			asked: []string{"v", "w"}, nominated: "b",
		},
		"refused everywhere": {
			args: evicting, vms: []vmBuilder{stuck("v", 30).On("a"), stuck("w", 31).Priority(20).On("b")},
			answer: func(string, bool) error { return apierrors.NewInternalError(errors.New("failed calling webhook")) }, asked: []string{"v", "w"},
		},
		"not allowed": {vms: []vmBuilder{stuck("v", 30).On("a"), stuck("w", 31).Priority(20).On("b")}},
		"its owner is asked to move it": {
			args: signalling, vms: []vmBuilder{external("v").On("a"), makeVM("w", 31).Priority(1000).On("b")},
			answer: func(string, bool) error { return tooMany(inFull) }, asked: []string{"v?", "v"}, nominated: "a",
		},
		"its owner has been asked to move it before": {
			args: signalling, vms: []vmBuilder{external("v").On("a"), makeVM("w", 31).Priority(1000).On("b")},
			answer: func(string, bool) error { return tooMany("Evacuation in progress: " + inFull) }, asked: []string{"v?", "v"}, nominated: "a",
		},
		"nobody would ask its owner, and it would be shut down": {
			args: signalling, vms: []vmBuilder{external("v").On("a"), makeVM("w", 31).Priority(1000).On("b")}, asked: []string{"v?"},
		},
		"whether its owner would be asked is not known": {
			args: signalling, vms: []vmBuilder{external("v").On("a"), makeVM("w", 31).Priority(1000).On("b")},
			answer: func(string, bool) error { return apierrors.NewInternalError(errors.New("failed calling webhook")) }, asked: []string{"v?"},
		},
		"External, and has no home": {
			args: signalling, vms: []vmBuilder{external("v").On("a"), makeVM("w", 40).Priority(1000).On("b")},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, ctx := start(t, tc.args, []*corev1.Node{makeNode("a", 64), makeNode("b", 64)}, tc.vms, nil)
			w := s.webhook(tc.answer)
			comes := makeVM("comes", 48).Priority(100)
			s.SetVMI(comes.vmi)
			if _, err := s.Schedule(ctx, comes.Obj()); err != nil {
				t.Fatal(err)
			}
			s.drain(ctx, t)
			want := slices.Clone(tc.asked)
			for i := range want {
				want[i] = "virt-launcher-" + want[i]
			}
			if diff := cmp.Diff(want, w.was(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("evictions (-want +got):\n%s", diff)
			}
			for pod, uid := range w.uids {
				if uid != "pod-"+pod {
					t.Errorf("eviction of %s has precondition UID %q", pod, uid)
				}
			}
			if len(w.uids) == 0 && len(want) > 0 {
				t.Error("evictions without precondition")
			}
			s.untouched(t, tc.vms...)
			if pod, _ := s.Pod(comes.pod.Namespace, comes.pod.Name); pod.Status.NominatedNodeName != tc.nominated {
				t.Errorf("nominated to %q, want %q", pod.Status.NominatedNodeName, tc.nominated)
			}
		})
	}
}

// untouched wants that no VM was deleted, and that nobody is asked to move one.
func (s *sim) untouched(t tb, vms ...vmBuilder) {
	t.Helper()
	for _, v := range vms {
		if !s.there(v.pod.Namespace, v.pod.Name) {
			t.Errorf("%s is gone", v.pod.Name)
		}
	}
	if got := s.moves(t); len(got) > 0 {
		t.Errorf("moves %v, want none", got)
	}
}

// What is true no more when it comes to the write is not done. Two VMs are to be evicted; while the API considers the first, something happens to
// the second.
func TestEvictedNoMore(t *testing.T) {
	tests := map[string]func(vmBuilder) vmBuilder{
		"its strategy":       func(v vmBuilder) vmBuilder { return v.Strategy(kubevirtv1.EvictionStrategyLiveMigrate) },
		"it can be migrated": func(v vmBuilder) vmBuilder { return v.Migratable(true) },
		"it is paused":       func(v vmBuilder) vmBuilder { return v.Paused() },
		"it is annotated":    func(v vmBuilder) vmBuilder { return v.Annotation(config.PreemptionAnnotation, config.PreemptionNever) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			first, second := stuck("first", 20).Priority(12).On("a"), stuck("second", 20).Priority(11).On("a")
			s, ctx := start(t, evicting, []*corev1.Node{makeNode("a", 64)}, []vmBuilder{first, second}, nil)
			release := make(chan struct{})
			w := s.webhook(func(pod string, _ bool) error {
				if pod == first.pod.Name {
					<-release
				}
				return nil
			})
			comes := makeVM("comes", 60).Priority(100)
			s.SetVMI(comes.vmi)
			if outcome, err := s.Schedule(ctx, comes.Obj()); err != nil || outcome.Nominated != "a" {
				t.Fatalf("%+v, %v; want it nominated to a", outcome, err)
			}
			s.SetVMI(change(stuck("second", 20).On("a")).vmi)
			if err := s.Scheduler.Settle(ctx); err != nil {
				t.Fatal(err)
			}
			close(release)
			s.drain(ctx, t)
			if diff := cmp.Diff([]string{first.pod.Name}, w.was()); diff != "" {
				t.Errorf("evictions (-want +got):\n%s", diff)
			}
			s.untouched(t, first, second)
			if pod, _ := s.Pod(comes.pod.Namespace, comes.pod.Name); pod.Status.NominatedNodeName != "" {
				t.Errorf("nominated to %q, want nothing", pod.Status.NominatedNodeName)
			}
		})
	}
}

// VMs that are being shut down, or whose owners move them, are waited for, though there would be others; but not for ever.
func TestEvictedAreAwaited(t *testing.T) {
	tests := map[string]struct {
		args          func(*config.VMPreemptionArgs)
		strategy      kubevirtv1.EvictionStrategy
		answer        func(string, bool) error
		first, second []string
	}{
		"evicted": {
			args: evicting, strategy: kubevirtv1.EvictionStrategyLiveMigrateIfPossible,
			first: []string{"virt-launcher-v"}, second: []string{"virt-launcher-v", "virt-launcher-w"},
		},
		"signalled": {
			args: signalling, strategy: kubevirtv1.EvictionStrategyExternal, answer: func(string, bool) error { return tooMany("Eviction triggered evacuation") },
			first: []string{"virt-launcher-v?", "virt-launcher-v"}, second: []string{"virt-launcher-v?", "virt-launcher-v", "virt-launcher-w?", "virt-launcher-w"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clock := testclock.NewFakeClock(time.Now())
			registry := plugins.NewRegistry()
			registry[vmpreemption.Name] = vmpreemption.NewFactory(clusterview.NewPool(), clock)
			v := makeVM("v", 30).Migratable(false).Strategy(tc.strategy).On("a")
			s, ctx := setup{
				args: tc.args, nodes: []*corev1.Node{makeNode("a", 64), makeNode("b", 64), makeNode("c", 64)}, vms: []vmBuilder{v, makeVM("full", 30).Priority(1000).On("c")},
				pods: []*corev1.Pod{makePod("full", 60).Priority(1000).On("b").Obj()}, registry: registry,
			}.start(t)
			w := s.webhook(tc.answer)
			comes := s.comes(ctx, t)
			// A VM that would be less important, on another host.
			s.DeletePod("default", "full")
			other := makeVM("w", 29).Migratable(false).Strategy(tc.strategy).Priority(1).On("b")
			s.SetVMI(other.vmi)
			s.SetPod(other.pod)
			s.stir(ctx, t)
			if diff := cmp.Diff(tc.first, w.was()); diff != "" {
				t.Errorf("evictions (-want +got):\n%s", diff)
			}
			if pod, _ := s.Pod("default", comes.pod.Name); pod.Status.NominatedNodeName != "a" {
				t.Errorf("nominated to %q, want a still", pod.Status.NominatedNodeName)
			}
			clock.Step(11 * time.Minute)
			s.stir(ctx, t)
			if diff := cmp.Diff(tc.second, w.was()); diff != "" {
				t.Errorf("after the timeout: evictions (-want +got):\n%s", diff)
			}
			if pod, _ := s.Pod("default", comes.pod.Name); pod.Status.NominatedNodeName != "b" {
				t.Errorf("after the timeout: nominated to %q, want b", pod.Status.NominatedNodeName)
			}
			s.untouched(t, v, other)
		})
	}
}
