// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

// ignoreFor is for how long a suspicious node without VMs is not looked at again.
const ignoreFor = 30 * time.Second

// reasonNotReady is what failover.Suspicious says of a node that renews its Lease but is not Ready.
const reasonNotReady = "NotReady"

// maybeOpen opens an incident when the node is suspicious and none of open is about it as it is now.
func (r *Reconciler) maybeOpen(ctx context.Context, name string, open []*failurev1alpha1.NodeFailure) (time.Duration, error) {
	if !r.suspicious(name) {
		return never, nil
	}
	// The watch may lag behind: the API server must agree, else the clock of this Lease has started again by this read.
	policy := r.Policy(name)
	view, node, err := r.readNode(ctx, name, "")
	if err != nil {
		return never, err
	}
	reason, yes := failover.Suspicious(view, policy)
	if !yes {
		klog.FromContext(ctx).V(2).Info("Not suspicious after all: the watch was behind the API server")
		return never, nil
	}
	for _, nf := range open {
		if failover.Covers(nf.Spec, nf.Status, view) || returning(nf, view, reason) {
			return never, nil
		}
	}
	if !observe.CarriesVMs(node) {
		has, err := r.KubeVirt.HasLaunchers(ctx, name)
		if err != nil {
			return never, err
		}
		if !has {
			r.ignored.add(name, r.Clock.Now().Add(ignoreFor))
			return never, nil
		}
	}
	known, err := r.list(ctx, name)
	if err != nil {
		return never, err
	}
	for i := range known {
		if failover.Covers(known[i].Spec, known[i].Status, view) {
			// The index lags behind.
			r.Index.Set(&known[i])
			return time.Second, nil
		}
	}
	return r.open(ctx, name, view)
}

// returning: a node that has just booted after its incident shows the new boot before it is Ready. It is another incident
// only when it falls silent in that boot.
func returning(nf *failurev1alpha1.NodeFailure, view failover.NodeView, reason string) bool {
	return !failover.Finished(nf.Status) && nf.Spec.NodeUID == view.UID && nf.Spec.BootID != view.BootID && reason == reasonNotReady
}

func (r *Reconciler) open(ctx context.Context, name string, view failover.NodeView) (time.Duration, error) {
	if err := r.Gate.Check(); err != nil {
		return never, err
	}
	spec, status := failover.Open(view, name, r.Clock.Now())
	nf := &failurev1alpha1.NodeFailure{ObjectMeta: metav1.ObjectMeta{Name: failover.ObjectName(spec)}, Spec: spec}
	if err := r.Live.Create(ctx, nf); apierrors.IsAlreadyExists(err) {
		klog.FromContext(ctx).V(2).Info("The incident exists already", "nodeFailure", nf.Name)
		return time.Second, nil
	} else if err != nil {
		return never, fmt.Errorf("opening an incident of node %s: %w", name, err)
	}
	// When this fails the next pass begins with an empty status, which failover.Next knows.
	if err := r.store(ctx, nf, status); err != nil {
		return never, err
	}
	klog.FromContext(ctx).Info("Incident opened", "nodeFailure", nf.Name, "reason", status.Reason,
		"ready", view.Ready, "leaseUnchangedFor", view.LeaseUnchangedFor, "zone", spec.Zone)
	return r.run(ctx, nf)
}

func (r *Reconciler) list(ctx context.Context, node string) ([]failurev1alpha1.NodeFailure, error) {
	var list failurev1alpha1.NodeFailureList
	if err := r.Live.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing NodeFailures: %w", err)
	}
	var own []failurev1alpha1.NodeFailure
	for i := range list.Items {
		if list.Items[i].Spec.NodeName == node {
			own = append(own, list.Items[i])
		}
	}
	return own, nil
}

// suspicious asks the caches alone.
func (r *Reconciler) suspicious(name string) bool {
	node := r.Nodes.Get(name)
	if node == nil || r.ignored.has(name, r.Clock.Now()) {
		return false
	}
	_, yes := failover.Suspicious(observe.View(node, r.Tracker.Lease(name), ""), r.Policy(name))
	return yes
}

// ignored remembers suspicious nodes that carry no VMs, for a while.
type ignored struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (i *ignored) add(node string, until time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.until == nil {
		i.until = map[string]time.Time{}
	}
	i.until[node] = until
}

func (i *ignored) has(node string, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	until, ok := i.until[node]
	if ok && !now.Before(until) {
		delete(i.until, node)
		ok = false
	}
	return ok
}
