// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
)

// pairs follows the launcher pods of the cluster, to tell which VMs have more than one. That way a scheduling cycle
// looks for the two pods of a migrating VM only while there is one.
type pairs struct {
	mu        sync.RWMutex
	launchers map[types.UID]map[types.UID]struct{} // VM -> its launcher pods
	doubles   map[types.UID]struct{}
}

func newPairs() pairs {
	return pairs{launchers: map[types.UID]map[types.UID]struct{}{}, doubles: map[types.UID]struct{}{}}
}

func (p *pairs) snapshot() map[types.UID]struct{} {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(p.doubles) == 0 {
		return nil
	}
	return maps.Clone(p.doubles)
}

func (p *pairs) handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { p.seen(obj) },
		UpdateFunc: func(before, after any) {
			b, ok := before.(*corev1.Pod)
			if a, isPod := after.(*corev1.Pod); ok && isPod && a.UID != b.UID {
				p.gone(b)
			}
			p.seen(after)
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if pod, ok := obj.(*corev1.Pod); ok {
				p.gone(pod)
			}
		},
	}
}

func (p *pairs) seen(obj any) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	uid, ok := adapt.VMOf(pod)
	if !ok {
		return
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		p.gone(pod) // it holds no guest any more
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pods := p.launchers[uid]
	if pods == nil {
		pods = map[types.UID]struct{}{}
		p.launchers[uid] = pods
	}
	pods[pod.UID] = struct{}{}
	if len(pods) > 1 {
		p.doubles[uid] = struct{}{}
	}
}

func (p *pairs) gone(pod *corev1.Pod) {
	uid, ok := adapt.VMOf(pod)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pods := p.launchers[uid]
	delete(pods, pod.UID)
	if len(pods) < 2 {
		delete(p.doubles, uid)
	}
	if len(pods) == 0 {
		delete(p.launchers, uid)
	}
}
