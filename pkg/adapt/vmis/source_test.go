// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// patience bounds waits for what happens at once unless something is broken.
const patience = 30 * time.Second

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, patience, true,
		func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		t.Fatalf("not within %s: %s", patience, what)
	}
}

func vmi(name string, uid types.UID, cores uint32) *kubevirtv1.VirtualMachineInstance {
	v := &kubevirtv1.VirtualMachineInstance{}
	v.Name, v.UID = name, uid
	memory := resource.MustParse("1Gi")
	v.Spec.Domain.CPU = &kubevirtv1.CPU{Cores: cores}
	v.Spec.Domain.Memory = &kubevirtv1.Memory{Guest: &memory}
	return v
}

// handle makes a real handle of a profile without plugins.
func handle(ctx context.Context, t *testing.T, config *rest.Config, lister fwk.SharedLister, factory informers.SharedInformerFactory) fwk.Handle {
	t.Helper()
	options := []frameworkruntime.Option{frameworkruntime.WithInformerFactory(factory), frameworkruntime.WithKubeConfig(config)}
	if lister != nil {
		options = append(options, frameworkruntime.WithSnapshotSharedLister(lister))
	}
	h, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newSource(t *testing.T, config *rest.Config) *Source {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	source, err := NewPool().For(ctx, handle(ctx, t, config, nil, factory))
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return source
}

func sizeOf(s *Source, uid types.UID) model.Size {
	size, _ := s.Size(uid)
	return size
}

func (s *Source) vcpus(uid types.UID) int64 { return sizeOf(s, uid).VCPUs }

func TestSourceFollowsVMIs(t *testing.T) {
	api := simapi.New(t, simapi.VMIs)
	api.Install()
	api.Set(vmi("a", "uid-a", 2))
	source := newSource(t, api.Config())
	eventually(t, "read at start", source.Synced)
	if got, want := sizeOf(source, "uid-a"), (model.Size{VCPUs: 2, Memory: 1 << 30}); got != want {
		t.Errorf("Size() = %+v, want %+v", got, want)
	}
	api.Set(vmi("b", "uid-b", 3))
	eventually(t, "a new one", func() bool { return source.vcpus("uid-b") == 3 })
	api.Set(vmi("a", "uid-a", 4))
	eventually(t, "a resized one", func() bool { return source.vcpus("uid-a") == 4 })
	api.Set(vmi("b", "uid-b2", 5))
	eventually(t, "one made anew under its name", func() bool { return source.vcpus("uid-b2") == 5 })
	if _, ok := source.Size("uid-b"); ok {
		t.Error("the one before it is still known")
	}
	api.Delete("a")
	eventually(t, "a deleted one", func() bool { _, ok := source.Size("uid-a"); return !ok })
}

// KubeVirt writes a VMI's status all the time; who subscribes hears of what matters only.
func TestSubscribersHearOfWhatMatters(t *testing.T) {
	api := simapi.New(t, simapi.VMIs)
	api.Install()
	source := newSource(t, api.Config())
	heard := make(chan types.UID, 100)
	source.Subscribe(func(uid types.UID) { heard <- uid })
	next := func(what string, want types.UID) {
		t.Helper()
		select {
		case got := <-heard:
			if got != want {
				t.Fatalf("%s: heard of %q, want %q", what, got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%s: nothing was heard", what)
		}
	}
	a := vmi("a", "uid-a", 2)
	api.Set(a)
	next("it comes", "uid-a")
	before, _ := source.VM("uid-a")
	a.Status.Phase = kubevirtv1.Running
	a.Status.GuestOSInfo.Name = "Fedora"
	api.Set(a)
	api.Set(vmi("b", "uid-b", 2))
	next("only b has changed", "uid-b")
	if after, _ := source.VM("uid-a"); after != before {
		t.Error("a VM of which nothing that matters has changed is another one now")
	}
	b, _ := source.VM("uid-b")
	if b.Wishes != before.Wishes {
		t.Error("two VMs that ask for the same do not share their wishes")
	}
	a.Status.NodeName = "somewhere"
	api.Set(a)
	next("it runs", "uid-a")
	if vm, _ := source.VM("uid-a"); vm.Host != "somewhere" || before.Host != "" {
		t.Errorf("host %q, want somewhere; the VM handed out before is at %q, want it unchanged", vm.Host, before.Host)
	}
	api.Delete("a")
	next("it goes", "uid-a")
}

// Who waits for room hears of a guest that shrinks, and of none that grows or goes: that has events of its own.
func TestSubscribersHearOfRoom(t *testing.T) {
	api := simapi.New(t, simapi.VMIs)
	source := newSource(t, api.Config())
	room := make(chan struct{}, 100)
	source.SubscribeShrunk(func() { room <- struct{}{} })
	hear := func(what string) {
		t.Helper()
		select {
		case <-room:
		case <-time.After(patience):
			t.Fatalf("nothing was heard of it: %s", what)
		}
	}
	api.Install()
	hear("all have been read, and nothing is guessed any more")
	for _, vcpus := range []uint32{2, 8, 9} {
		api.Set(vmi("a", "uid-a", vcpus))
		eventually(t, "its size is known", func() bool { return source.vcpus("uid-a") == int64(vcpus) })
	}
	if len(room) != 0 {
		t.Error("a guest that grows is said to leave room")
	}
	api.Set(vmi("a", "uid-a", 4))
	hear("a guest shrank")
}

func TestSourceWaitsForKubeVirt(t *testing.T) {
	api := simapi.New(t, simapi.VMIs)
	api.Set(vmi("a", "uid-a", 2))
	source := newSource(t, api.Config())
	if _, ok := source.Size("uid-a"); ok || source.Synced() {
		t.Fatal("something is known before KubeVirt is installed")
	}
	api.Install()
	eventually(t, "KubeVirt's API is noticed and read", func() bool { return source.Synced() && source.vcpus("uid-a") == 2 })
}

func TestSourceWaitsForPermission(t *testing.T) {
	api := simapi.New(t, simapi.VMIs)
	api.Install()
	api.Forbid(true)
	api.Set(vmi("a", "uid-a", 2))
	source := newSource(t, api.Config())
	eventually(t, "a first try", func() bool { return api.Reads() > 0 })
	api.Forbid(false)
	eventually(t, "read once it is allowed", func() bool { return source.vcpus("uid-a") == 2 })
}

func TestSourceWithoutClientConfiguration(t *testing.T) {
	source := newSource(t, nil)
	if _, ok := source.Size("uid-a"); ok || source.Synced() {
		t.Error("something is known without a client")
	}
}

func TestPoolSharesWithinAScheduler(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := simapi.New(t, simapi.VMIs)
	api.Install()
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	first, second := cache.NewEmptySnapshot(), cache.NewEmptySnapshot()
	pool := NewPool()
	source := func(ctx context.Context, lister fwk.SharedLister) *Source {
		t.Helper()
		s, err := pool.For(ctx, handle(ctx, t, api.Config(), lister, factory))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := source(ctx, first)
	if source(ctx, first) != a {
		t.Error("two profiles of one scheduler have two sources")
	}
	ctx2, cancel2 := context.WithCancel(ctx)
	b := source(ctx2, second)
	if a == b {
		t.Error("two schedulers share a source")
	}
	eventually(t, "both are read", func() bool { return a.Synced() && b.Synced() })
	if got := api.Reads(); got > 4 {
		t.Errorf("%d lists and watches for two sources, want at most 4", got)
	}
	cancel2()
	eventually(t, "the ended scheduler is forgotten", func() bool {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return len(pool.sources) == 1 && pool.sources[first] == a
	})
}
