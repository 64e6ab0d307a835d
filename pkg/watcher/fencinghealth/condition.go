// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fencinghealth

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/metrics"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

const (
	maxMessage = 1024
	action     = "CheckFencing"
)

// publish writes the condition, tells of it and sets the gauge, when it changed. A zero verdict changes nothing.
func (c *Checker) publish(ctx context.Context, name string, v verdict) {
	node := c.Nodes.Get(name)
	if node == nil || v.reason == "" {
		return
	}
	gauge := 0.0
	if v.ready {
		gauge = 1
	}
	metrics.FencingReady.WithLabelValues(name).Set(gauge)
	old := current(node)
	if old.reason == v.reason && old.ready == v.ready {
		return
	}
	if len(v.message) > maxMessage {
		v.message = v.message[:maxMessage]
	}
	if err := c.write(ctx, node, v); err != nil {
		klog.FromContext(ctx).Error(err, "Could not write the node's condition; it is tried again with the next reading",
			"node", name, "condition", failurev1alpha1.ConditionFencingReady, "reason", v.reason)
		return
	}
	klog.FromContext(ctx).Info("Fencing of the node", "node", name, "ready", v.ready, "reason", v.reason, "message", v.message)
	kind := corev1.EventTypeWarning
	if v.ready {
		kind = corev1.EventTypeNormal
	}
	ref := &corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}
	c.Recorder.Eventf(ref, nil, kind, "Fencing"+v.reason, action, "%s", v.message)
}

// write merges the one condition by its type: what others write of the node's conditions stays.
func (c *Checker) write(ctx context.Context, node *corev1.Node, v verdict) error {
	now := metav1.NewTime(c.Clock.Now())
	condition := corev1.NodeCondition{
		Type: failurev1alpha1.ConditionFencingReady, Status: corev1.ConditionFalse, Reason: v.reason, Message: v.message,
		LastHeartbeatTime: now, LastTransitionTime: now,
	}
	if v.ready {
		condition.Status = corev1.ConditionTrue
	}
	if old := observe.Condition(node, condition.Type); old != nil && old.Status == condition.Status {
		condition.LastTransitionTime = old.LastTransitionTime
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{condition}}})
	if err != nil {
		return err
	}
	target := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name}}
	return c.Live.Status().Patch(ctx, target, client.RawPatch(types.StrategicMergePatchType, patch))
}
