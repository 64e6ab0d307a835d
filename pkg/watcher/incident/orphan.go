// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

// dropOrphan takes our taint off a living node when the NodeFailure that it names was deleted: an administrator has ended that incident,
// and nobody else would ever take the node in again. A node that shows no life keeps it, for it is about to get an incident again. An
// out-of-service taint stays: without the record nothing says whose it is.
func (r *Reconciler) dropOrphan(ctx context.Context, name, incident string) error {
	if incident == "" || r.suspicious(name) {
		return nil
	}
	view, node, err := r.readNode(ctx, name, incident)
	if err != nil || node == nil || !view.Tainted || !view.Alive(r.Policy(name).LeaseStaleAfter) {
		return err
	}
	known, err := r.list(ctx, name)
	if err != nil {
		return err
	}
	for i := range known {
		if known[i].Spec.Incident == incident {
			return nil
		}
	}
	if err := r.Gate.Check(); err != nil {
		return err
	}
	gone := &failurev1alpha1.NodeFailure{
		Spec: failurev1alpha1.NodeFailureSpec{NodeName: name, NodeUID: node.UID, Incident: incident},
	}
	if err := r.taint(ctx, gone, ours(gone), false); err != nil {
		return err
	}
	klog.FromContext(ctx).Info("Our taint was taken off: its NodeFailure was deleted and the node lives", "incident", incident)
	r.Recorder.Eventf(node, nil, corev1.EventTypeNormal, "TaintRemoved", "Untaint",
		"node %s: taint %s=%s was taken off: its NodeFailure was deleted and the node lives", name, failurev1alpha1.TaintKey, observe.TaintValue(node))
	return nil
}
