// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"context"
	"testing"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
)

// Two schedulers in one process, made from one registry as scheduler_perf does, have a view each; the profiles of one
// share it.
func TestPool(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	pool := NewPool()
	profile := func(ctx context.Context, lister fwk.SharedLister) *View {
		t.Helper()
		handle, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil,
			frameworkruntime.WithInformerFactory(factory), frameworkruntime.WithSnapshotSharedLister(lister))
		must(t, err)
		view, err := pool.For(ctx, handle)
		must(t, err)
		return view
	}
	logger, _ := ktesting.NewTestContext(t)
	first, second := cache.NewEmptySnapshot(), cache.NewEmptySnapshot()
	firstCache := cache.New(ctx, 0, nil)
	firstCache.AddNode(logger, node("a", nil))
	must(t, firstCache.UpdateSnapshot(logger, first))

	a := profile(ctx, first)
	if profile(ctx, first) != a {
		t.Error("two profiles of one scheduler have two views")
	}
	b := profile(ctx, second)
	if a == b {
		t.Fatal("two schedulers share a view")
	}
	must(t, a.Refresh())
	must(t, b.Refresh())
	if _, ok := a.HostNamed("a"); !ok {
		t.Error("the first scheduler does not see its host")
	}
	if _, ok := b.HostNamed("a"); ok {
		t.Error("the second scheduler sees a host of the first")
	}
}

func TestCycle(t *testing.T) {
	r := testRig(t)
	r.nodes("a", "b")
	r.vms.Set(vm("v", 4, gib))
	source := makePod("source", "a").Launcher("v").Obj()
	r.add(t, source)
	must(t, r.cache.UpdateSnapshot(r.logger, r.snapshot))
	target := makePod("target", "").Launcher("v").Target("job", time.Second).Obj()

	state := framework.NewCycleState()
	begun, err := r.view.Begin(t.Context(), state, target)
	must(t, err)
	if begun.VM == nil || begun.VM.Size.VCPUs != 4 || len(begun.On) != 1 || begun.On[0] != "a" {
		t.Errorf("cycle %+v, want that of VM v with 4 vCPUs on a", begun)
	}
	if got := begun.Without(r.host(t, "a")).Here.VMs; got != 0 {
		t.Errorf("without the VM itself there are %d VMs on a, want 0", got)
	}
	if got := r.host(t, "a").Here.VMs; got != 1 {
		t.Errorf("%d VMs on a, want 1", got)
	}
	reads := r.view.reads
	for name, next := range map[string]func() (*Cycle, error){
		"Begin of the next plugin": func() (*Cycle, error) { return r.view.Begin(t.Context(), state, target) },
		"Cycle":                    func() (*Cycle, error) { return r.view.Cycle(t.Context(), state, target) },
		"of a clone":               func() (*Cycle, error) { return r.view.Cycle(t.Context(), state.Clone(), target) },
	} {
		if got, err := next(); got != begun || err != nil {
			t.Errorf("%s: %p, %v, want what the first plugin left, %p", name, got, err, begun)
		}
	}
	if r.view.reads != reads {
		t.Error("hosts were read again within a cycle")
	}

	// With PreFilter switched off nothing is left in the state, and the view is fresh all the same.
	r.add(t, makePod("other", "b").Launcher("w").Obj())
	must(t, r.cache.UpdateSnapshot(r.logger, r.snapshot))
	bare := framework.NewCycleState()
	loose, err := r.view.Cycle(t.Context(), bare, target)
	must(t, err)
	if loose.VM != begun.VM || r.host(t, "b").Here.VMs != 1 {
		t.Errorf("cycle %+v with %d VMs on b, want VM v and 1", loose, r.host(t, "b").Here.VMs)
	}
	if _, err := bare.Read(stateKey); err == nil {
		t.Error("Cycle wrote into the state, which many goroutines share")
	}

	plain, err := r.view.Begin(t.Context(), framework.NewCycleState(), makePod("plain", "").Obj())
	must(t, err)
	if plain.VM != nil {
		t.Errorf("a pod that is no VM is VM %+v", plain.VM)
	}
}

func TestRefreshWithoutSnapshot(t *testing.T) {
	v := newView(nil, &simVMs{}, &simFailures{}, maxValues)
	if _, err := v.Begin(t.Context(), framework.NewCycleState(), makePod("p", "").Obj()); err == nil {
		t.Error("no error for a handle that has no snapshot")
	}
}
