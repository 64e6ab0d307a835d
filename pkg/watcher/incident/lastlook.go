// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/kubevirtapi"
)

// lastLook reads again, right before the release e, all that it depends on, and returns nil only when failover.MayRelease allows it and this
// process still leads. pod is what would be deleted, as it was just read; nil for the out-of-service taint. The Node is
// returned as it was read; it may be nil only for a deletion.
func (r *Reconciler) lastLook(ctx context.Context, nf *failurev1alpha1.NodeFailure, e failover.Effect, pod *corev1.Pod) (*corev1.Node, error) {
	look := failover.LastLook{Decided: nf.UID, Stored: &failurev1alpha1.NodeFailure{}}
	if pod != nil {
		look.Pod = failover.LauncherView{Name: pod.Name, UID: pod.UID, Node: pod.Spec.NodeName, Ended: kubevirtapi.Ended(pod)}
	}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(nf), look.Stored); err != nil {
		return nil, fmt.Errorf("reading NodeFailure %s: %w", nf.Name, err)
	}
	// The node comes last: it may show life at any moment.
	view, node, err := r.readNode(ctx, nf.Spec.NodeName, nf.Spec.Incident)
	if err != nil {
		return nil, err
	}
	look.Node = view
	if ok, why := failover.MayRelease(e, look); !ok {
		return nil, fmt.Errorf("%w: NodeFailure %s of node %s: %s", errRefused, nf.Name, nf.Spec.NodeName, why)
	}
	return node, r.Gate.Check()
}
