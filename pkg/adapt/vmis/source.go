// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	"context"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/follow"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Source knows the VMs of one scheduler's cluster. Its methods may be called at any time, also before KubeVirt is
// installed: then nothing is known. What it says may be older than the scheduler's snapshot by the lag of a watch.
type Source struct {
	// vms: types.UID -> *model.VM. Read by many goroutines at once, and written when a VM comes, goes or changes.
	vms    sync.Map
	wishes wishTable
	synced atomic.Bool

	mu          sync.RWMutex
	subscribers []func(types.UID)
	shrunk      []func()
}

// VM returns what is known of a VM; ok is false when its VirtualMachineInstance is not known. The VM is shared and never
// changed: when the VirtualMachineInstance does, there is another.
func (s *Source) VM(uid types.UID) (vm *model.VM, ok bool) {
	value, ok := s.vms.Load(uid)
	if !ok {
		return nil, false
	}
	vm, ok = value.(*model.VM)
	return vm, ok
}

// Subscribe makes changed be called with each VM that comes, goes, or changes in what the model says of it, after VM
// answers so. It is called by the goroutine that reads the watch, and must not block.
func (s *Source) Subscribe(changed func(vm types.UID)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers = append(s.subscribers, changed)
}

// SubscribeShrunk makes shrunk be called after a guest that was known has become smaller, or all that were guessed have
// become known, which leaves room that no event of a pod or node tells of. As with Subscribe it must not block.
func (s *Source) SubscribeShrunk(shrunk func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shrunk = append(s.shrunk, shrunk)
}

func (s *Source) publish(uid types.UID, shrunk bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, changed := range s.subscribers {
		changed(uid)
	}
	if shrunk {
		s.tellShrunk()
	}
}

func (s *Source) tellShrunk() {
	for _, tell := range s.shrunk {
		tell()
	}
}

// read is called when all VirtualMachineInstances have been read: what was guessed until now may have been too much.
func (s *Source) read() {
	s.synced.Store(true)
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.tellShrunk()
}

// Synced is true once all VirtualMachineInstances of the cluster have been read.
func (s *Source) Synced() bool { return s.synced.Load() }

// Start returns a Source that follows the cluster until ctx ends, once it knows what is there; see [crdwatch.Watch.AwaitFirst] for when it
// does not wait. Without a client configuration it knows nothing.
func Start(ctx context.Context, kubeConfig *rest.Config) (*Source, error) {
	s := &Source{}
	logger := klog.FromContext(ctx)
	if kubeConfig == nil {
		logger.Info("No client configuration: VM sizes are guessed from launcher pods")
		return s, nil
	}
	watch, err := crdwatch.New(kubeConfig, crdwatch.Resource{
		GroupVersion: kubevirtv1.GroupVersion, Plural: "virtualmachineinstances", Kind: "VirtualMachineInstances",
		Without:     "VM sizes are guessed from launcher pods",
		AddToScheme: kubevirtv1.AddToScheme, Object: &kubevirtv1.VirtualMachineInstance{},
	}, s.keep)
	if err != nil {
		return nil, err
	}
	go func() {
		if err := watch.Run(ctx, follow.Handler(s.seen, s.gone), s.read); err != nil {
			logger.Error(err, "Watching VirtualMachineInstances")
		}
	}()
	watch.AwaitFirst(ctx)
	return s, nil
}

func (s *Source) seen(e *entry) {
	known, ok := s.VM(e.UID)
	if ok && *known == *e.vm {
		e.vm = known // KubeVirt writes a VMI's status often, and seldom what matters here
		return
	}
	s.vms.Store(e.UID, e.vm)
	s.publish(e.UID, ok && known.Size.Exceeds(e.vm.Size))
}

func (s *Source) gone(e *entry) {
	s.vms.Delete(e.UID)
	s.publish(e.UID, false) // its pod goes, too, and that is an event
}
