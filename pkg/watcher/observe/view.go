// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

// controlPlaneLabels mark nodes that carry the control plane or its database.
var controlPlaneLabels = []string{
	"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master", "node-role.kubernetes.io/etcd",
}

// neverUpdated is the reason that kube-controller-manager gives for a node whose kubelet never reported.
const neverUpdated = "NodeStatusNeverUpdated"

// View turns a Node and what is known of its Lease into what the decisions take. A nil node does not exist. incident is the
// value that our taint must have to count as the incident's; empty when there is none.
func View(node *corev1.Node, lease Lease, incident string) failover.NodeView {
	view := failover.NodeView{
		LeaseUnchangedFor: lease.UnchangedFor,
		LeaseLastChange:   lease.LastChange,
		LeaseFingerprint:  lease.Fingerprint,
	}
	if node == nil {
		return view
	}
	view.Exists = true
	view.UID = node.UID
	view.BootID = node.Status.NodeInfo.BootID
	view.SystemUUID = node.Status.NodeInfo.SystemUUID
	view.Zone = node.Labels[corev1.LabelTopologyZone]
	for _, label := range controlPlaneLabels {
		if _, ok := node.Labels[label]; ok {
			view.ControlPlane = true
		}
	}
	view.NeverReady = true
	if c := Condition(node, corev1.NodeReady); c != nil {
		view.Ready = string(c.Status)
		view.NeverReady = c.Status == corev1.ConditionUnknown && c.Reason == neverUpdated
	}
	view.Tainted = incident != "" && TaintValue(node) == incident
	for _, taint := range node.Spec.Taints {
		if taint.Key == corev1.TaintNodeOutOfService {
			view.OutOfService = true
		}
	}
	return view
}

// Condition returns the node's condition of the type, or nil.
func Condition(node *corev1.Node, kind corev1.NodeConditionType) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == kind {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// TaintValue is the incident that our taint on the node names; empty without it.
func TaintValue(node *corev1.Node) string {
	for _, taint := range node.Spec.Taints {
		if taint.Key == failurev1alpha1.TaintKey {
			return taint.Value
		}
	}
	return ""
}

// CarriesVMs says whether the node bears the label that virt-handler keeps on nodes for VMs, whatever its value.
func CarriesVMs(node *corev1.Node) bool {
	_, ok := node.Labels[kubevirtv1.NodeSchedulable]
	return ok
}
