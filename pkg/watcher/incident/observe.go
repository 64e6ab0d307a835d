// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/metrics"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

// observe reads what needs names, and always the Node and its Lease. Any error of the API server ends the pass: a part that
// could not be read must not look empty. A BMC that can't be read is an observation.
func (r *Reconciler) observe(ctx context.Context, nf *failurev1alpha1.NodeFailure, needs failover.Needs) (failover.Observation, error) {
	var (
		obs = failover.Observation{Token: nf.Annotations[failurev1alpha1.AnnotationConfirmFenced]}
		err error
	)
	if needs.Power {
		// First, for it may take seconds: what comes after is younger.
		obs.Power = r.readPower(ctx, nf.Spec.NodeName)
		obs.DriverDisabled = r.Health.Disabled(ctx, nf.Spec.NodeName)
	}
	if needs.Pods {
		if obs.Pods, err = r.KubeVirt.Pods(ctx, nf.Spec.NodeName, failover.Proved(nf.Spec, nf.Status)); err != nil {
			return obs, err
		}
	}
	if needs.VMs {
		if obs.VMs, err = r.KubeVirt.VMs(ctx, recordedNames(&nf.Status), runningOn(&nf.Status)); err != nil {
			return obs, err
		}
	}
	if obs.Node, _, err = r.readNode(ctx, nf.Spec.NodeName, nf.Spec.Incident); err != nil {
		return obs, err
	}
	obs.Now = r.Clock.Now()
	return obs, nil
}

func recordedNames(status *failurev1alpha1.NodeFailureStatus) []types.NamespacedName {
	names := make([]types.NamespacedName, 0, len(status.VMs))
	for i := range status.VMs {
		names = append(names, types.NamespacedName{Namespace: status.VMs[i].Namespace, Name: status.VMs[i].Name})
	}
	return names
}

// runningOn are the VMs whose guest should be alive on another node: whether it is, their launcher pods tell.
func runningOn(status *failurev1alpha1.NodeFailureStatus) []types.NamespacedName {
	var names []types.NamespacedName
	for i := range status.VMs {
		if vm := &status.VMs[i]; vm.Due == failurev1alpha1.DueRunOn && vm.State != failurev1alpha1.VMSettled {
			names = append(names, types.NamespacedName{Namespace: vm.Namespace, Name: vm.Name})
		}
	}
	return names
}

// readNode reads the Lease and then the Node from the API server. The node is nil when it does not exist. The view's fingerprint is of the
// Lease that was read here: a watch that lags behind may have told the tracker of an older one meanwhile.
func (r *Reconciler) readNode(ctx context.Context, name, incident string) (failover.NodeView, *corev1.Node, error) {
	lease, fingerprint := &coordinationv1.Lease{}, ""
	switch err := r.Live.Get(ctx, types.NamespacedName{Namespace: corev1.NamespaceNodeLease, Name: name}, lease); {
	case apierrors.IsNotFound(err):
		r.Tracker.Seen(name, "")
	case err != nil:
		return failover.NodeView{}, nil, fmt.Errorf("reading the Lease of node %s: %w", name, err)
	default:
		fingerprint = observe.Fingerprint(lease)
		r.Tracker.Seen(name, fingerprint)
	}
	node := &corev1.Node{}
	if err := r.Live.Get(ctx, client.ObjectKey{Name: name}, node); apierrors.IsNotFound(err) {
		node = nil
	} else if err != nil {
		return failover.NodeView{}, nil, fmt.Errorf("reading node %s: %w", name, err)
	} else {
		r.Tracker.Booted(name, node.Status.NodeInfo.BootID)
	}
	known := r.Tracker.Lease(name)
	if fingerprint != "" {
		known.Fingerprint = fingerprint
	}
	return observe.View(node, known, incident), node, nil
}

// readPower reads the node's BMC once. Attempted is false when the node has none.
func (r *Reconciler) readPower(ctx context.Context, node string) failover.PowerView {
	driver, ok := r.Fencing.For(node)
	if !ok {
		return failover.PowerView{}
	}
	view := failover.PowerView{Attempted: true}
	reading, err := driver.Read(ctx, node)
	view.At = r.Clock.Now()
	if err != nil {
		metrics.PowerReads.WithLabelValues("error").Inc()
		view.Err = err.Error()
		return view
	}
	metrics.PowerReads.WithLabelValues(string(reading.Power)).Inc()
	view.Power = string(reading.Power)
	view.SystemUUID, view.SystemID, view.Endpoint = reading.SystemUUID, reading.SystemID, reading.Endpoint
	return view
}
