// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	"context"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Source knows the VMs of one scheduler's cluster. Its methods may be called at any time, also before KubeVirt is
// installed: then nothing is known. What it says may be older than the scheduler's snapshot by the lag of a watch.
type Source struct {
	// sizes: types.UID -> model.Size. Read for each VM of each host that is scored, by many goroutines at once, and
	// written when a VM comes, goes or is resized.
	sizes  sync.Map
	synced atomic.Bool
	pairs  pairs
}

// Size returns what the guest of a VM sees; ok is false when its VirtualMachineInstance is not known.
func (s *Source) Size(uid types.UID) (size model.Size, ok bool) {
	value, ok := s.sizes.Load(uid)
	if !ok {
		return model.Size{}, false
	}
	size, ok = value.(model.Size)
	return size, ok
}

// Synced is true once all VirtualMachineInstances of the cluster have been read.
func (s *Source) Synced() bool { return s.synced.Load() }

// Pairs returns the VMs that have more than one launcher pod, bound or not, and so may be migrating; nil when there
// are none. The map is the caller's.
func (s *Source) Pairs() map[types.UID]struct{} { return s.pairs.snapshot() }

func start(ctx context.Context, handle fwk.Handle) (*Source, error) {
	s := &Source{pairs: newPairs()}
	logger := klog.FromContext(ctx)
	if factory := handle.SharedInformerFactory(); factory != nil {
		pods := factory.Core().V1().Pods().Informer()
		registration, err := pods.AddEventHandler(s.pairs.handler())
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() {
			if err := pods.RemoveEventHandler(registration); err != nil {
				logger.Error(err, "Stopping to watch launcher pods")
			}
		})
	}
	if handle.KubeConfig() == nil {
		logger.Info("No client configuration: VM sizes are guessed from launcher pods")
		return s, nil
	}
	w, err := newWatch(handle.KubeConfig())
	if err != nil {
		return nil, err
	}
	if err := w.informer.SetTransform(strip); err != nil {
		return nil, err
	}
	registration, err := w.informer.AddEventHandler(s.sizeHandler())
	if err != nil {
		return nil, err
	}
	go w.run(ctx, registration.HasSynced, func() { s.synced.Store(true) })
	return s, nil
}

func (s *Source) sizeHandler() cache.ResourceEventHandler {
	set := func(obj any) {
		if vmi, ok := obj.(*kubevirtv1.VirtualMachineInstance); ok {
			s.sizes.Store(vmi.UID, adapt.SizeFromVMI(vmi))
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: set,
		UpdateFunc: func(before, after any) {
			// A VMI deleted and made anew under its name, while the watch was away, comes as an update.
			if b, ok := before.(*kubevirtv1.VirtualMachineInstance); ok {
				if a, ok := after.(*kubevirtv1.VirtualMachineInstance); ok && a.UID != b.UID {
					s.sizes.Delete(b.UID)
				}
			}
			set(after)
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if vmi, ok := obj.(*kubevirtv1.VirtualMachineInstance); ok {
				s.sizes.Delete(vmi.UID)
			}
		},
	}
}

func strip(obj any) (any, error) {
	if vmi, ok := obj.(*kubevirtv1.VirtualMachineInstance); ok {
		return adapt.StripVMI(vmi), nil
	}
	return obj, nil
}
