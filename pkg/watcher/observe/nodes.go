// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"fmt"
	"sync"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Nodes holds the nodes as the watch last told them, stripped. What it returns must not be written to.
type Nodes struct {
	mu    sync.RWMutex
	nodes map[string]*corev1.Node
}

// NewNodes returns an empty set.
func NewNodes() *Nodes { return &Nodes{nodes: map[string]*corev1.Node{}} }

// Get returns nil for a node that does not exist.
func (n *Nodes) Get(name string) *corev1.Node {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.nodes[name]
}

// Set keeps a node.
func (n *Nodes) Set(node *corev1.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[node.Name] = node
}

// Delete drops a node.
func (n *Nodes) Delete(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.nodes, name)
}

// Len is the number of nodes.
func (n *Nodes) Len() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.nodes)
}

// Each calls f for every node, in no order, while nodes can't change.
func (n *Nodes) Each(f func(*corev1.Node)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, node := range n.nodes {
		f(node)
	}
}

// CacheOptions restricts and strips what the watches keep: with thousands of nodes the rest would be most of the memory.
// onWatchError is called when a watch fails.
func CacheOptions(onWatchError func(error)) cache.Options {
	return cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Node{}:                 {Transform: stripNode},
			&coordinationv1.Lease{}:        {Transform: stripLease, Namespaces: map[string]cache.Config{corev1.NamespaceNodeLease: {}}},
			&failurev1alpha1.NodeFailure{}: {Transform: stripFailure},
		},
		DefaultWatchErrorHandler: func(ctx context.Context, r *toolscache.Reflector, err error) {
			toolscache.DefaultWatchErrorHandler(ctx, r, err)
			onWatchError(err)
		},
	}
}

// Watch feeds nodes and tracker from the cache's watches. changed is called with the name of a node whose Lease or
// whose Node changed in a way that matters to an incident.
func Watch(ctx context.Context, c cache.Cache, nodes *Nodes, tracker *Tracker, changed func(node string)) error {
	informer, err := c.GetInformer(ctx, &corev1.Node{})
	if err != nil {
		return fmt.Errorf("watching nodes: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { nodeSeen(nodes, tracker, obj, changed) },
		UpdateFunc: func(_, obj any) { nodeSeen(nodes, tracker, obj, changed) },
		DeleteFunc: func(obj any) {
			if name := nameOf(obj); name != "" {
				nodes.Delete(name)
				tracker.Forget(name)
				changed(name)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching nodes: %w", err)
	}
	if informer, err = c.GetInformer(ctx, &coordinationv1.Lease{}); err != nil {
		return fmt.Errorf("watching leases: %w", err)
	}
	seen := func(obj any) {
		if lease, ok := obj.(*coordinationv1.Lease); ok && tracker.Seen(lease.Name, Fingerprint(lease)) {
			changed(lease.Name)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    seen,
		UpdateFunc: func(_, obj any) { seen(obj) },
	})
	if err != nil {
		return fmt.Errorf("watching leases: %w", err)
	}
	return nil
}

func nodeSeen(nodes *Nodes, tracker *Tracker, obj any, changed func(string)) {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return
	}
	tracker.Booted(node.Name, node.Status.NodeInfo.BootID)
	old := nodes.Get(node.Name)
	nodes.Set(node)
	if old == nil || matters(old, node) {
		changed(node.Name)
	}
}

// matters says whether an incident would want to know of the change at once.
func matters(a, b *corev1.Node) bool {
	x, y := View(a, Lease{}, ""), View(b, Lease{}, "")
	return x.UID != y.UID || x.Ready != y.Ready || x.BootID != y.BootID || x.OutOfService != y.OutOfService || TaintValue(a) != TaintValue(b)
}

func nameOf(obj any) string {
	if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	if o, ok := obj.(metav1.Object); ok {
		return o.GetName()
	}
	return ""
}

func stripNode(obj any) (any, error) {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	stripMeta(&node.ObjectMeta)
	labels := map[string]string{}
	for _, key := range append([]string{corev1.LabelTopologyZone, kubevirtv1.NodeSchedulable}, controlPlaneLabels...) {
		if value, ok := node.Labels[key]; ok {
			labels[key] = value
		}
	}
	node.Labels = labels
	node.Spec = corev1.NodeSpec{Taints: node.Spec.Taints}
	var conditions []corev1.NodeCondition
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady || c.Type == failurev1alpha1.ConditionFencingReady {
			conditions = append(conditions, c)
		}
	}
	info := node.Status.NodeInfo
	node.Status = corev1.NodeStatus{
		Conditions: conditions,
		NodeInfo:   corev1.NodeSystemInfo{BootID: info.BootID, SystemUUID: info.SystemUUID},
	}
	return node, nil
}

func stripLease(obj any) (any, error) {
	if lease, ok := obj.(*coordinationv1.Lease); ok {
		stripMeta(&lease.ObjectMeta)
		lease.Labels = nil
	}
	return obj, nil
}

// stripFailure keeps what the index needs; an incident itself is always read from the API server.
func stripFailure(obj any) (any, error) {
	if nf, ok := obj.(*failurev1alpha1.NodeFailure); ok {
		nf.ManagedFields = nil
		nf.Status = failurev1alpha1.NodeFailureStatus{Phase: nf.Status.Phase}
	}
	return obj, nil
}

func stripMeta(m *metav1.ObjectMeta) {
	m.ManagedFields, m.Annotations, m.OwnerReferences, m.Finalizers = nil, nil, nil, nil
}
