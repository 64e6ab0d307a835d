// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
)

// patienceWithAPI bounds each request.
const patienceWithAPI = 30 * time.Second

// do has one effect. What fails is asked for again as long as it is wanted: next sees that it has not come true.
func (t *Tracker) do(ctx context.Context, p preemptor, e effect) {
	logger := klog.FromContext(ctx).WithValues("preemptor", klog.KRef(p.Namespace, p.Name))
	ctx, cancel := context.WithTimeout(ctx, patienceWithAPI)
	defer cancel()
	switch e := e.(type) {
	case remove:
		err := t.outside.remove(ctx, e.name, e.uid)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			logger.Error(err, "Deleting a migration that is not wanted any more; it is tried again", "migration", klog.KRef(e.name.Namespace, e.name.Name))
			return
		}
		logger.V(2).Info("Deleted a migration that is not wanted any more", "migration", klog.KRef(e.name.Namespace, e.name.Name))
	case unnominate:
		if err := t.outside.unnominate(ctx, p, e.node); err != nil {
			logger.Info("A nomination could not be cleared yet; it is tried again", "node", klog.KRef("", e.node), "reason", err.Error())
		}
	case activate:
		t.outside.activate(ctx, p)
	case tellPreemptor:
		eventType := corev1.EventTypeNormal
		if e.warning {
			eventType = corev1.EventTypeWarning
		}
		t.outside.tell(p.reference(), nil, eventType, e.reason, e.note)
	case tellVM:
		t.outside.tell(e.vm.reference(), p.reference(), corev1.EventTypeNormal, e.reason, e.note)
	case count:
		movesTotal.WithLabelValues(string(e.result)).Add(float64(e.moves))
	case took:
		secondsUntilRoom.Observe(e.Seconds())
	}
}
