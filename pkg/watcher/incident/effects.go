// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/metrics"
)

// errRefused marks a write that was not made because what is true now forbids it. The next pass sees the same and decides anew.
var errRefused = errors.New("refused by the last look before the write")

// apply makes the writes in order. One that fails does not keep back the release of another pod, but everything after the pods.
func (r *Reconciler) apply(ctx context.Context, nf *failurev1alpha1.NodeFailure, effects []failover.Effect, policy failover.Policy) error {
	var errs []error
	for _, e := range effects {
		if len(errs) > 0 && e.Kind != failover.EffectDeletePod {
			break
		}
		err := r.applyOne(ctx, nf, e, policy)
		result := "done"
		switch {
		case errors.Is(err, errRefused):
			result = "refused"
		case err != nil:
			result = "failed"
		}
		metrics.Effects.WithLabelValues(string(e.Kind), result).Inc()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.Kind, err))
			continue
		}
		klog.FromContext(ctx).V(2).Info("Written", "effect", e.Kind, "pod", klog.KRef(e.Pod.Namespace, e.Pod.Name), "fenceID", e.FenceID)
	}
	return errors.Join(errs...)
}

func (r *Reconciler) applyOne(ctx context.Context, nf *failurev1alpha1.NodeFailure, e failover.Effect, policy failover.Policy) error {
	if err := r.Gate.Check(); err != nil {
		return err
	}
	switch e.Kind {
	case failover.EffectTaint:
		return r.taint(ctx, nf, ours(nf), true)
	case failover.EffectUntaint:
		return r.taint(ctx, nf, ours(nf), false)
	case failover.EffectOutOfService:
		return r.setOutOfService(ctx, nf, e)
	case failover.EffectRemoveOutOfService:
		return r.taint(ctx, nf, outOfService(), false)
	case failover.EffectDeletePod:
		return r.deletePod(ctx, nf, e)
	case failover.EffectPowerOff:
		return r.powerOff(ctx, nf, e.FenceID, policy)
	default:
		return fmt.Errorf("unknown effect %q", e.Kind)
	}
}

func ours(nf *failurev1alpha1.NodeFailure) corev1.Taint {
	return corev1.Taint{Key: failurev1alpha1.TaintKey, Value: nf.Spec.Incident, Effect: corev1.TaintEffectNoSchedule}
}

func outOfService() corev1.Taint {
	return corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}
}

// deletePod takes a launcher pod away without its kubelet. A pod that is gone, or another one of that name, is done already.
func (r *Reconciler) deletePod(ctx context.Context, nf *failurev1alpha1.NodeFailure, e failover.Effect) error {
	pod := &corev1.Pod{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: e.Pod.Namespace, Name: e.Pod.Name}, pod)
	switch {
	case apierrors.IsNotFound(err) || err == nil && pod.UID != e.Pod.UID:
		return nil
	case err != nil:
		return fmt.Errorf("reading pod %s/%s: %w", e.Pod.Namespace, e.Pod.Name, err)
	}
	if _, err := r.lastLook(ctx, nf, e, pod); err != nil {
		return err
	}
	err = r.Live.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: ptr.To(e.Pod.UID)})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting pod %s/%s: %w", e.Pod.Namespace, e.Pod.Name, err)
	}
	return nil
}

// setOutOfService puts the out-of-service taint on the very Node that the last look saw: one that changed since is another look's.
func (r *Reconciler) setOutOfService(ctx context.Context, nf *failurev1alpha1.NodeFailure, e failover.Effect) error {
	node, err := r.lastLook(ctx, nf, e, nil)
	if err != nil {
		return err
	}
	return r.patchTaint(ctx, node, outOfService(), true)
}

// taint puts a taint on the incident's node, or takes exactly it off. It does nothing on another Node of the same name.
func (r *Reconciler) taint(ctx context.Context, nf *failurev1alpha1.NodeFailure, taint corev1.Taint, want bool) error {
	node := &corev1.Node{}
	if err := r.Live.Get(ctx, client.ObjectKey{Name: nf.Spec.NodeName}, node); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading node %s: %w", nf.Spec.NodeName, err)
	}
	if node.UID != nf.Spec.NodeUID {
		return nil
	}
	return r.patchTaint(ctx, node, taint, want)
}

// patchTaint writes under the resourceVersion of node, which is as a quorum read gave it.
func (r *Reconciler) patchTaint(ctx context.Context, node *corev1.Node, taint corev1.Taint, want bool) error {
	base := node.DeepCopy()
	if !setTaint(node, taint, want, r.Clock.Now()) {
		return nil
	}
	if err := r.Live.Patch(ctx, node, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("patching the taints of node %s: %w", node.Name, err)
	}
	return nil
}

// setTaint changes the node's list and reports whether it differs. There is one taint per key and effect: ours replaces that of an
// earlier incident, but an out-of-service taint of somebody else is left as it is.
func setTaint(node *corev1.Node, taint corev1.Taint, want bool, now time.Time) bool {
	for i, t := range node.Spec.Taints {
		if t.Key != taint.Key || t.Effect != taint.Effect {
			continue
		}
		switch {
		case want && (t.Value == taint.Value || t.Key == corev1.TaintNodeOutOfService):
			return false
		case want:
			node.Spec.Taints[i] = taint
			return true
		case t.Value == taint.Value:
			node.Spec.Taints = append(node.Spec.Taints[:i:i], node.Spec.Taints[i+1:]...)
			return true
		default:
			return false
		}
	}
	if want {
		if taint.Effect == corev1.TaintEffectNoExecute {
			taint.TimeAdded = &metav1.Time{Time: now}
		}
		node.Spec.Taints = append(node.Spec.Taints, taint)
	}
	return want
}

// powerOff sends the one power action of a fence id, after Lease, power and identity were read again for it.
func (r *Reconciler) powerOff(ctx context.Context, nf *failurev1alpha1.NodeFailure, fenceID string, policy failover.Policy) error {
	driver, ok := r.Fencing.For(nf.Spec.NodeName)
	if !ok {
		return fmt.Errorf("%w: no driver is configured for node %s", errRefused, nf.Spec.NodeName)
	}
	fresh, err := r.observe(ctx, nf, failover.Needs{Power: true})
	if err != nil {
		return err
	}
	log := klog.FromContext(ctx)
	if may, why := failover.MayPowerOff(nf.Spec, nf.Status, fresh, policy, fenceID); !may {
		metrics.FenceAttempts.WithLabelValues(driver.Name(), "withheld").Inc()
		log.Info("Power-off withheld", "fenceID", fenceID, "why", why)
		return nil
	}
	if err := r.Gate.Check(); err != nil {
		return err
	}
	// Cutting the request short would leave open whether it was carried out; the driver has its own timeout.
	if err := driver.PowerOff(context.WithoutCancel(ctx), nf.Spec.NodeName); err != nil {
		metrics.FenceAttempts.WithLabelValues(driver.Name(), "failed").Inc()
		// No error of the pass: power is read on, and another attempt gets another id.
		log.Error(err, "Power-off failed or its outcome is unknown; power is read on", "fenceID", fenceID)
		return nil
	}
	metrics.FenceAttempts.WithLabelValues(driver.Name(), "accepted").Inc()
	log.Info("Power-off accepted by the BMC", "fenceID", fenceID, "driver", driver.Name())
	return nil
}
