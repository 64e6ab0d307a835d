// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package pending

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/follow"
)

// A storm of changes, as when thousands of VirtualMachineInstances are read anew, wakes at most this many VMs per second,
// each once however often it was asked for. A scheduler does some 100 cycles per second, and others wait too.
const (
	wakesPerSecond = 100
	wakesAtOnce    = 100
)

// Waker knows the launcher pods of one cluster that have no host yet. Its methods may be called at any time, and do not
// block.
type Waker struct {
	pods    pods
	queue   workqueue.TypedInterface[types.UID]
	limiter flowcontrol.RateLimiter
}

// Start returns a Waker of a scheduler, which follows the scheduler's own pod informer, and ends with ctx.
func Start(ctx context.Context, handle fwk.Handle) (*Waker, error) {
	return start(ctx, handle, flowcontrol.NewTokenBucketRateLimiter(wakesPerSecond, wakesAtOnce))
}

func start(ctx context.Context, handle fwk.Handle, limiter flowcontrol.RateLimiter) (*Waker, error) {
	factory := handle.SharedInformerFactory()
	if factory == nil {
		return nil, errors.New("the scheduler's handle has no informers")
	}
	w := &Waker{
		pods:    pods{byVM: map[types.UID]map[types.UID]*corev1.Pod{}},
		queue:   workqueue.NewTyped[types.UID](),
		limiter: limiter,
	}
	if _, err := follow.Until(ctx, factory.Core().V1().Pods().Informer(), follow.Handler(w.pods.seen, w.pods.gone)); err != nil {
		return nil, fmt.Errorf("following pods: %w", err)
	}
	context.AfterFunc(ctx, w.queue.ShutDown)
	go w.run(ctx, handle)
	return w, nil
}

// Wake makes the scheduler try the pods of one VM again, if they wait.
func (w *Waker) Wake(vm types.UID) {
	if w.pods.waits(vm) {
		w.queue.Add(vm)
	}
}

// WakeAll makes the scheduler try every VM that waits again.
func (w *Waker) WakeAll() {
	for _, vm := range w.pods.waiting() {
		w.queue.Add(vm)
	}
}

func (w *Waker) run(ctx context.Context, activator fwk.PodActivator) {
	logger := klog.FromContext(ctx)
	for {
		vm, ended := w.queue.Get()
		if ended || w.limiter.Wait(ctx) != nil {
			return
		}
		// The queue may be asked for this VM again from now on: what changes later may matter.
		w.queue.Done(vm)
		if waiting := w.pods.of(vm); len(waiting) > 0 {
			// Pods that are in another scheduler's queue are not in ours, and nothing happens. For one that is being
			// tried just now the queue notes it, and tries again.
			activator.Activate(logger, waiting)
			logger.V(4).Info("What is known of a VM has changed: its pods are tried again", "vmUID", vm, "pods", len(waiting))
		}
	}
}
