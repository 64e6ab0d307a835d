// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/heartbeats"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi/batching"
)

func typesUID(i int) types.UID { return types.UID(fmt.Sprintf("vm-%d", i)) }

// run is a real scheduler with our plugin.
type run struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod
	vmis  []*kubevirtv1.VirtualMachineInstance

	api       *simapi.API
	scheduler *simapi.Scheduler
	clock     *testclock.FakePassiveClock
}

// start makes the scheduler, which knows the nodes and VMs; it ends with ctx.
func (s *run) start(ctx context.Context, t *testing.T) {
	t.Helper()
	s.api, s.clock = simapi.New(), testclock.NewFakePassiveClock(time.Unix(1_000_000, 0))
	for _, node := range s.nodes {
		s.api.SetNode(node)
	}
	for _, v := range s.vmis {
		s.api.SetVMI(v)
	}
	profile := batching.Profile(Name, args(func(a *config.VMNodeSelectionArgs) { a.MigratabilitySaturation = 100 }), names.NodeAffinity)
	var err error
	s.scheduler, err = s.api.Start(ctx, simapi.Config{
		Profiles: []schedulerconfig.KubeSchedulerProfile{profile},
		Registry: frameworkruntime.Registry{Name: NewFactory(clusterview.NewPool(), heartbeats.NewPool(s.clock))},
		Options:  []scheduler.Option{scheduler.WithPodInitialBackoffSeconds(0), scheduler.WithPodMaxBackoffSeconds(0)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// place places the pods in their order, and returns how many were batched.
func (s *run) place(t *testing.T, on bool) (placed map[string]string, batched float64) {
	t.Helper()
	batched = batching.Run(t, on, batching.SchedulerName, func(ctx context.Context) {
		s.start(ctx, t)
		placed = batching.Place(ctx, t, s.scheduler, s.pods)
	})
	return placed, batched
}

// A VM that waits because no virt-handler is heard of is placed as soon as one is: the scheduler's queue knows.
func TestWaitingVMIsWokenByAHeartbeat(t *testing.T) {
	ctx := testContext(t)
	node := makeNode("a", simlabels.Skylake()).With(kubevirtv1.NodeSchedulable, "false")
	s := run{nodes: nodes(node), vmis: []*kubevirtv1.VirtualMachineInstance{vmi("vm")}}
	s.start(ctx, t)
	// Silent, and then labelled as fit: still not for VMs.
	s.clock.SetTime(s.clock.Now().Add(tolerance))
	s.api.SetNode(node.With(kubevirtv1.NodeSchedulable, "true").Obj().DeepCopy())
	if placed := batching.Place(ctx, t, s.scheduler, []*corev1.Pod{makeVM("vm").Obj()}); len(placed) != 0 {
		t.Fatalf("the VM was placed on a host whose virt-handler is silent: %v", placed)
	}
	if outcome, ok, err := s.scheduler.Next(ctx); ok || err != nil {
		t.Fatalf("the VM is tried again for nothing: %+v, %v", outcome, err)
	}
	s.api.SetNode(node.Beat("2").Obj().DeepCopy())
	if outcome, ok, err := s.scheduler.Next(ctx); !ok || err != nil || outcome.Node != "a" {
		t.Errorf("after a heartbeat: tried %t, placed on %q, %v; want a", ok, outcome.Node, err)
	}
}
