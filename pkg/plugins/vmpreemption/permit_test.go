// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
)

// hold is a Permit plugin that lets pods with a label wait until the test lets them go.
type hold struct{ handle fwk.Handle }

const held = "held"

func (*hold) Name() string { return "Hold" }

func (*hold) Permit(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) (*fwk.Status, time.Duration) {
	if pod.Labels[held] == "" {
		return nil, 0
	}
	return fwk.NewStatus(fwk.Wait), time.Hour
}

// waiting starts a scheduler with that plugin and host a of 64 GiB, on which a VM of 30 GiB waits in Permit.
func waiting(t *testing.T, more setup) (*sim, context.Context, *hold, vmBuilder) {
	t.Helper()
	h := &hold{}
	more.registry = plugins.NewRegistry()
	more.registry["Hold"] = func(_ context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		h.handle = handle
		return h, nil
	}
	more.profile = func(p *schedulerconfig.KubeSchedulerProfile) {
		p.Plugins.Permit.Enabled = append(p.Plugins.Permit.Enabled, schedulerconfig.Plugin{Name: "Hold"})
	}
	s, ctx := more.start(t)
	v := makeVM("waits", 30)
	v.vmi.Status.Phase, v.vmi.Status.Conditions = kubevirtv1.Scheduling, nil
	v.Label(held, "yes")
	v.pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: "a"}
	s.SetVMI(v.vmi)
	s.SetPod(v.pod)
	s.cycle(ctx, t)
	if h.handle.GetWaitingPod(v.pod.UID) == nil {
		t.Fatal("the VM does not wait in Permit")
	}
	return s, ctx, h, v
}

// cycle lets the scheduler decide about one pod, whatever comes of it.
func (s *sim) cycle(ctx context.Context, t tb) {
	t.Helper()
	if err := s.Scheduler.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	s.ScheduleOne(ctx)
	if err := s.Scheduler.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	s.Outcomes()
}

// A VM's pod that waits in Permit holds no guest: it is rejected, and stays.
func TestWaitingIsRejected(t *testing.T) {
	s, ctx, h, v := waiting(t, setup{nodes: []*corev1.Node{makeNode("a", 64)}})
	comes := makeVM("comes", 48).Priority(100)
	s.SetVMI(comes.vmi)
	s.SetPod(comes.pod)
	s.cycle(ctx, t)
	if h.handle.GetWaitingPod(v.pod.UID) != nil {
		t.Error("the VM still waits in Permit")
	}
	for range 3 { // who was rejected and who came, in any order, and the latter once more
		if len(s.SchedulingQueue.PodsInActiveQ()) > 0 {
			s.cycle(ctx, t)
		}
	}
	if pod, ok := s.Pod("default", v.pod.Name); !ok || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		t.Errorf("the VM's pod: there: %t, %+v; want it there, and nowhere", ok, pod)
	}
	if pod, _ := s.Pod("default", comes.pod.Name); pod.Spec.NodeName != "a" {
		t.Errorf("who came is on %q, want a", pod.Spec.NodeName)
	}
	if got := s.moves(t); len(got) > 0 {
		t.Errorf("moves %v, want none", got)
	}
}

// One that is annotated, or a migration's target, waits on.
func TestWaitingIsSpared(t *testing.T) {
	for name, change := range map[string]func(*corev1.Pod){
		"annotated": func(pod *corev1.Pod) { pod.Annotations["virt-scheduler.io/preemption"] = "Never" },
		"a target":  func(pod *corev1.Pod) { pod.Labels[kubevirtv1.MigrationJobLabel] = "somebody's" },
	} {
		t.Run(name, func(t *testing.T) {
			s, ctx, h, v := waiting(t, setup{nodes: []*corev1.Node{makeNode("a", 64)}})
			changed := v.pod.DeepCopy()
			change(changed)
			h.handle.GetWaitingPod(v.pod.UID).Reject("Hold", "to begin anew")
			if err := s.Scheduler.Settle(ctx); err != nil {
				t.Fatal(err)
			}
			s.SetPod(changed)
			s.cycle(ctx, t)
			if h.handle.GetWaitingPod(v.pod.UID) == nil {
				t.Fatal("the VM does not wait in Permit")
			}
			comes := makeVM("comes", 48).Priority(100)
			s.SetVMI(comes.vmi)
			outcome, err := s.Schedule(ctx, comes.Obj())
			if err != nil || outcome.Nominated != "" || h.handle.GetWaitingPod(v.pod.UID) == nil {
				t.Errorf("%+v, %v; want no nomination, and the VM to wait", outcome, err)
			}
		})
	}
}

// One that is let go while what is to be done is written is on its way to its host, and stays: the moves for the same room are given up.
func TestWaitingIsLetGo(t *testing.T) {
	moved := makeVM("v", 30).On("a")
	s, ctx, h, v := waiting(t, setup{
		nodes: []*corev1.Node{makeNode("a", 64), makeNode("b", 64)}, vms: []vmBuilder{moved}, pods: []*corev1.Pod{makePod("full", 30).Priority(1000).On("b").Obj()},
	})
	release := make(chan struct{})
	s.askedFor(func(string) error {
		<-release
		return nil
	})
	comes := makeVM("comes", 60).Priority(100)
	s.SetVMI(comes.vmi)
	if outcome, err := s.Schedule(ctx, comes.Obj()); err != nil || outcome.Nominated != "a" {
		t.Fatalf("%+v, %v; want it nominated to a", outcome, err)
	}
	h.handle.GetWaitingPod(v.pod.UID).Allow("Hold")
	if err := s.Scheduler.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := s.Scheduler.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	s.drain(ctx, t)
	if pod, ok := s.Pod("default", v.pod.Name); !ok || pod.Spec.NodeName != "a" || pod.DeletionTimestamp != nil {
		t.Errorf("the VM's pod: there: %t, %+v; want it on a", ok, pod)
	}
	s.eventually(ctx, t, "the move is given up", func() bool { return len(s.moves(t)) == 0 })
	if got := s.nomination(comes.pod.Name); got != "" {
		t.Errorf("nominated to %q, want nothing", got)
	}
}
