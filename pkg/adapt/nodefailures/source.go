// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nodefailures knows, for one scheduler, which nodes have an open
// NodeFailure: an incident that failure-watcher has not closed, and whether it
// has proved that the node is off. It works in
// clusters where failure-watcher is not, or not yet, installed: then no node
// has. It decides nothing.
package nodefailures

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/follow"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Source knows the nodes with open incidents. Its methods may be called at any time.
type Source struct {
	mu          sync.RWMutex
	open        map[string]map[string]bool // node -> names of its open incidents -> proved
	subscribers []func(node string)
}

// Start returns a Source that follows the cluster until ctx ends, once it knows what is there; see [crdwatch.Watch.AwaitFirst] for when it
// does not wait. Without a client configuration it knows nothing.
func Start(ctx context.Context, kubeConfig *rest.Config) (*Source, error) {
	s := &Source{open: map[string]map[string]bool{}}
	if kubeConfig == nil {
		return s, nil
	}
	watch, err := crdwatch.New(kubeConfig, crdwatch.Resource{
		GroupVersion: failurev1alpha1.GroupVersion, Plural: "nodefailures", Kind: "NodeFailures",
		Without:     "failed hosts are known by their taint alone",
		AddToScheme: failurev1alpha1.AddToScheme, Object: &failurev1alpha1.NodeFailure{},
	}, keep)
	if err != nil {
		return nil, err
	}
	go func() {
		if err := watch.Run(ctx, follow.Handler(s.seen, s.gone), func() {}); err != nil {
			klog.FromContext(ctx).Error(err, "Watching NodeFailures")
		}
	}()
	watch.AwaitFirst(ctx)
	return s, nil
}

// Failed is true while a node has an open incident.
func (s *Source) Failed(node string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.open[node]) > 0
}

// Proved is true while a node has an open incident that holds a proof that it is off.
func (s *Source) Proved(node string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.proved(node)
}

func (s *Source) proved(node string) bool {
	for _, proved := range s.open[node] {
		if proved {
			return true
		}
	}
	return false
}

// Subscribe makes changed be called with each node for which Failed or Proved has just changed. It is called by the goroutine that
// reads the watch, and must not block.
func (s *Source) Subscribe(changed func(node string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers = append(s.subscribers, changed)
}

// incident is all that is kept of a NodeFailure.
type incident struct {
	metav1.ObjectMeta
	node   string
	open   bool
	proved bool
}

func keep(obj any) (any, error) {
	failure, ok := obj.(*failurev1alpha1.NodeFailure)
	if !ok {
		return obj, nil
	}
	return &incident{
		ObjectMeta: metav1.ObjectMeta{Name: failure.Name, UID: failure.UID, ResourceVersion: failure.ResourceVersion},
		node:       failure.Spec.NodeName,
		open:       failure.Status.Phase != failurev1alpha1.PhaseClosed,
		proved:     failure.Status.Fence != nil && failure.Status.Fence.Proof != nil,
	}, nil
}

func (s *Source) seen(i *incident) { s.set(i, i.open) }

func (s *Source) gone(i *incident) { s.set(i, false) }

func (s *Source) set(i *incident, open bool) {
	s.mu.Lock()
	before, proved := len(s.open[i.node]) > 0, s.proved(i.node)
	switch {
	case !open:
		if delete(s.open[i.node], i.Name); len(s.open[i.node]) == 0 {
			delete(s.open, i.node)
		}
	case !before:
		s.open[i.node] = map[string]bool{i.Name: i.proved}
	default:
		s.open[i.node][i.Name] = i.proved
	}
	changed := before != (len(s.open[i.node]) > 0) || proved != s.proved(i.node)
	subscribers := s.subscribers
	s.mu.Unlock()
	if !changed {
		return
	}
	for _, tell := range subscribers {
		tell(i.node)
	}
}
