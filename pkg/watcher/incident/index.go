// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"
	"fmt"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Index finds a node's incidents. It follows a watch and may lag; what it returns is read again before anything is done.
type Index struct {
	mu     sync.RWMutex
	byNode map[string]map[string]indexed // node, name of the NodeFailure
}

type indexed struct {
	incident string
	phase    failurev1alpha1.Phase
}

// NewIndex returns an empty index.
func NewIndex() *Index { return &Index{byNode: map[string]map[string]indexed{}} }

// Open returns the names of the node's NodeFailures that are not closed, and of those that are but whose incident is tainted, the
// value of our taint on the node: it has still to be taken off.
func (x *Index) Open(node, tainted string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var names []string
	for name, i := range x.byNode[node] {
		if i.phase != failurev1alpha1.PhaseClosed || tainted != "" && i.incident == tainted {
			names = append(names, name)
		}
	}
	return names
}

// Busy says whether the node has an incident that is not closed.
func (x *Index) Busy(node string) bool { return len(x.Open(node, "")) > 0 }

// Nodes returns the nodes that have incidents, closed ones included.
func (x *Index) Nodes() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	nodes := make([]string, 0, len(x.byNode))
	for node := range x.byNode {
		nodes = append(nodes, node)
	}
	return nodes
}

// Phases counts the incidents by phase.
func (x *Index) Phases() map[failurev1alpha1.Phase]int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	phases := map[failurev1alpha1.Phase]int{}
	for _, incidents := range x.byNode {
		for _, i := range incidents {
			phases[i.phase]++
		}
	}
	return phases
}

// Set keeps what was read or written of a NodeFailure.
func (x *Index) Set(nf *failurev1alpha1.NodeFailure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	incidents := x.byNode[nf.Spec.NodeName]
	if incidents == nil {
		incidents = map[string]indexed{}
		x.byNode[nf.Spec.NodeName] = incidents
	}
	incidents[nf.Name] = indexed{incident: nf.Spec.Incident, phase: nf.Status.Phase}
}

// Delete drops a NodeFailure.
func (x *Index) Delete(node, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.byNode[node], name)
	if len(x.byNode[node]) == 0 {
		delete(x.byNode, node)
	}
}

// Watch feeds the index. changed is called with the node when a NodeFailure appears, goes, or is changed by somebody else than us
// (its annotations): our own writes of status must not wake us.
func (x *Index) Watch(ctx context.Context, c cache.Cache, changed func(node string)) error {
	informer, err := c.GetInformer(ctx, &failurev1alpha1.NodeFailure{})
	if err != nil {
		return fmt.Errorf("watching NodeFailures: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if nf, ok := obj.(*failurev1alpha1.NodeFailure); ok {
				x.Set(nf)
				changed(nf.Spec.NodeName)
			}
		},
		UpdateFunc: func(before, obj any) {
			old, ok1 := before.(*failurev1alpha1.NodeFailure)
			nf, ok2 := obj.(*failurev1alpha1.NodeFailure)
			if !ok1 || !ok2 {
				return
			}
			x.Set(nf)
			key := failurev1alpha1.AnnotationConfirmFenced
			if old.Annotations[key] != nf.Annotations[key] || nf.DeletionTimestamp != nil {
				changed(nf.Spec.NodeName)
			}
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if nf, ok := obj.(*failurev1alpha1.NodeFailure); ok {
				x.Delete(nf.Spec.NodeName, nf.Name)
				changed(nf.Spec.NodeName)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching NodeFailures: %w", err)
	}
	return nil
}
