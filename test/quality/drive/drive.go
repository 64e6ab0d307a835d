// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/cputime"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
	"github.com/virt-scheduler/virt-scheduler/test/quality/trace"
)

// Nowhere is the host of a VM that is not there.
const Nowhere = -1

// Result is what a profile made of a trace.
type Result struct {
	// Arrived and Churned say on which host (an index into Trace.Hosts) each VM is, or Nowhere, after the first part of
	// the trace and after the second.
	Arrived, Churned []int
	// RefusedArrivals and RefusedChurn are the VMs for which no host would do. They are not tried again.
	RefusedArrivals, RefusedChurn []int
	// CycleCPU is the processor time that the whole process used during each call of the scheduler's SchedulePod:
	// snapshot, filters and scores, all goroutines; not the binding, nor the API.
	CycleCPU []time.Duration
	// Reasons counts what the scheduler said of the hosts for refused VMs.
	Reasons map[string]int
}

// heartbeats come this often in wall clock time, as long as a run takes; virt-handler's own are at least as frequent.
const heartbeats = 45 * time.Second

type run struct {
	trace     *trace.Trace
	api       *simapi.API
	scheduler *simapi.Scheduler
	profile   string
	index     map[string]int // of hosts
	at        []int
	beat      time.Time
	result    Result
}

// Run places a trace with a profile. Other work in the process disturbs it: simapi waits until nothing runs.
func Run(ctx context.Context, t *trace.Trace, profile schedulerconfig.KubeSchedulerProfile) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{
		trace: t, profile: profile.SchedulerName, index: map[string]int{},
		at: slices.Repeat([]int{Nowhere}, len(t.VMs)), result: Result{Reasons: map[string]int{}},
	}
	if err := r.start(ctx, profile); err != nil {
		return Result{}, fmt.Errorf("starting the scheduler with profile %s: %w", profile.SchedulerName, err)
	}
	for vm := range t.Options.VMs {
		if err := r.arrive(ctx, vm, &r.result.RefusedArrivals); err != nil {
			return Result{}, err
		}
	}
	r.result.Arrived = slices.Clone(r.at)
	for _, e := range t.Events {
		if e.Leaves {
			r.leave(e.VM)
			continue
		}
		if err := r.arrive(ctx, e.VM, &r.result.RefusedChurn); err != nil {
			return Result{}, err
		}
	}
	r.result.Churned = r.at
	return r.result, nil
}

func (r *run) start(ctx context.Context, profile schedulerconfig.KubeSchedulerProfile) error {
	r.api = simapi.New(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: trace.Namespace}})
	r.beat = time.Now()
	for i, h := range r.trace.Hosts {
		r.index[h.Name] = i
		r.api.SetNode(h.Node(r.beat))
		r.api.SetPod(h.Daemons())
	}
	for _, service := range r.trace.Services() {
		if _, err := r.api.Client().CoreV1().Services(service.Namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating service %s: %w", service.Name, err)
		}
	}
	var err error
	r.scheduler, err = r.api.Start(ctx, simapi.Config{
		Profiles: []schedulerconfig.KubeSchedulerProfile{profile}, Registry: plugins.NewRegistry(), Parallelism: 1,
	})
	if err != nil {
		return err
	}
	schedule := r.scheduler.SchedulePod
	r.scheduler.SchedulePod = func(ctx context.Context, f framework.Framework, state fwk.CycleState, pod *corev1.Pod) (scheduler.ScheduleResult, error) {
		before, err := cputime.Process()
		if err != nil {
			return scheduler.ScheduleResult{}, err
		}
		result, failed := schedule(ctx, f, state, pod)
		after, err := cputime.Process()
		if err != nil {
			return scheduler.ScheduleResult{}, err
		}
		r.result.CycleCPU = append(r.result.CycleCPU, after-before)
		return result, failed
	}
	return nil
}

func (r *run) arrive(ctx context.Context, vm int, refused *[]int) error {
	r.heartbeat()
	r.api.SetVMI(r.trace.VMI(vm, r.profile, ""))
	outcome, err := r.scheduler.Schedule(ctx, r.trace.Launcher(vm, r.profile))
	if err != nil {
		return fmt.Errorf("scheduling VM %s: %w", r.trace.VMs[vm].Name, err)
	}
	if outcome.Bound() {
		r.at[vm] = r.index[outcome.Node]
		r.api.SetVMI(r.trace.VMI(vm, r.profile, outcome.Node))
		return nil
	}
	if !outcome.Status.IsRejected() {
		return fmt.Errorf("scheduling VM %s: %w", r.trace.VMs[vm].Name, outcome.Status.AsError())
	}
	*refused = append(*refused, vm)
	r.reasons(outcome)
	r.remove(vm)
	return nil
}

func (r *run) reasons(outcome simapi.Outcome) {
	if outcome.Diagnosis == nil || outcome.Diagnosis.NodeToStatus == nil {
		return
	}
	outcome.Diagnosis.NodeToStatus.ForEachExplicitNode(func(_ string, status *fwk.Status) {
		for _, reason := range status.Reasons() {
			r.result.Reasons[reason]++
		}
	})
}

func (r *run) leave(vm int) {
	if r.at[vm] == Nowhere {
		return // it was refused
	}
	r.at[vm] = Nowhere
	r.remove(vm)
}

func (r *run) remove(vm int) {
	r.api.DeletePod(trace.Namespace, r.trace.LauncherName(vm))
	r.api.DeleteVMI(trace.Namespace, r.trace.VMs[vm].Name)
}

// heartbeat plays the virt-handlers of a run that takes long.
func (r *run) heartbeat() {
	now := time.Now()
	if now.Sub(r.beat) < heartbeats {
		return
	}
	r.beat = now
	for _, h := range r.trace.Hosts {
		r.api.SetNode(h.Node(now))
	}
}
