// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package pending

import (
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
)

// pods are the launcher pods without a host: few, unlike the launcher pods of a cluster.
type pods struct {
	mu   sync.RWMutex
	byVM map[types.UID]map[types.UID]*corev1.Pod // VM -> UID of the pod -> pod
}

func (p *pods) waits(vm types.UID) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.byVM[vm]) > 0
}

func (p *pods) waiting() []types.UID {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Collect(maps.Keys(p.byVM))
}

// of returns the pods as Handle.Activate wants them.
func (p *pods) of(vm types.UID) map[string]*corev1.Pod {
	p.mu.RLock()
	defer p.mu.RUnlock()
	byName := make(map[string]*corev1.Pod, len(p.byVM[vm]))
	for _, pod := range p.byVM[vm] {
		byName[pod.Namespace+"/"+pod.Name] = pod
	}
	return byName
}

func (p *pods) seen(pod *corev1.Pod) {
	vm, ok := adapt.VMOf(pod)
	if !ok {
		return
	}
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		p.gone(pod)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byVM[vm] == nil {
		p.byVM[vm] = map[types.UID]*corev1.Pod{}
	}
	p.byVM[vm][pod.UID] = pod
}

func (p *pods) gone(pod *corev1.Pod) {
	vm, ok := adapt.VMOf(pod)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byVM[vm], pod.UID)
	if len(p.byVM[vm]) == 0 {
		delete(p.byVM, vm)
	}
}
