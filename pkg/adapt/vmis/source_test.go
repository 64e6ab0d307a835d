// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2/ktesting"
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

func newSource(t *testing.T, config *rest.Config) *Source {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	source, err := Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func sizeOf(s *Source, uid types.UID) model.Size {
	if vm, ok := s.VM(uid); ok {
		return vm.Size
	}
	return model.Size{}
}

func (s *Source) vcpus(uid types.UID) int64 { return sizeOf(s, uid).VCPUs }

func TestSourceFollowsVMIs(t *testing.T) {
	api := simapi.New(t, simapi.VMIs)
	api.Install()
	api.Set(vmi("a", "uid-a", 2))
	source := newSource(t, api.Config())
	if !source.Synced() {
		t.Error("Start did not wait until what was there had been read")
	}
	if got, want := sizeOf(source, "uid-a"), (model.Size{VCPUs: 2, Memory: 1 << 30}); got != want {
		t.Errorf("Size() = %+v, want %+v", got, want)
	}
	api.Set(vmi("b", "uid-b", 3))
	eventually(t, "a new one", func() bool { return source.vcpus("uid-b") == 3 })
	api.Set(vmi("a", "uid-a", 4))
	eventually(t, "a resized one", func() bool { return source.vcpus("uid-a") == 4 })
	api.Set(vmi("b", "uid-b2", 5))
	eventually(t, "one made anew under its name", func() bool { return source.vcpus("uid-b2") == 5 })
	if _, ok := source.VM("uid-b"); ok {
		t.Error("the one before it is still known")
	}
	api.Delete("a")
	eventually(t, "a deleted one", func() bool { _, ok := source.VM("uid-a"); return !ok })
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
	a.Annotations = map[string]string{"virt-scheduler.io/preemption": "Never"}
	api.Set(a)
	next("its owner protects it", "uid-a")
	if vm, _ := source.VM("uid-a"); !vm.PreemptionNever {
		t.Error("its annotation is not known")
	}
	a.Status.Conditions = []kubevirtv1.VirtualMachineInstanceCondition{{Type: kubevirtv1.VirtualMachineInstancePaused, Status: corev1.ConditionTrue}}
	api.Set(a)
	next("it is paused", "uid-a")
	if vm, _ := source.VM("uid-a"); !vm.Paused {
		t.Error("it is not known to be paused")
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
	if _, ok := source.VM("uid-a"); ok || source.Synced() {
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
	if _, ok := source.VM("uid-a"); ok || source.Synced() {
		t.Error("something is known without a client")
	}
}
