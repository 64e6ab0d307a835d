// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// maxObjectName is the longest name that the API server takes for a NodeFailure.
const maxObjectName = 253

// Open makes the incident of a node that is Suspicious: its spec and its first status. name is the node's name. Two leaders that
// see the same failure make the same incident, because its id comes from the node's UID, boot ID and Lease alone.
func Open(node NodeView, name string, now time.Time) (failurev1alpha1.NodeFailureSpec, failurev1alpha1.NodeFailureStatus) {
	sum := sha256.Sum256([]byte(string(node.UID) + "\x00" + node.BootID + "\x00" + node.LeaseFingerprint))
	spec := failurev1alpha1.NodeFailureSpec{
		NodeName: name, NodeUID: node.UID, BootID: node.BootID, SystemUUID: node.SystemUUID, Zone: node.Zone,
		Incident: hex.EncodeToString(sum[:4]), ControlPlane: node.ControlPlane,
	}
	return spec, firstStatus(node, now)
}

// ObjectName is the name of an incident's NodeFailure: node and incident, cut to what the API server takes.
func ObjectName(spec failurev1alpha1.NodeFailureSpec) string {
	node := spec.NodeName
	if room := maxObjectName - len(spec.Incident) - 1; len(node) > room {
		node = node[:room]
	}
	for node != "" && (node[len(node)-1] == '.' || node[len(node)-1] == '-') {
		node = node[:len(node)-1]
	}
	return node + "-" + spec.Incident
}

// freshInAnyPolicy is the shortest leaseStaleAfter that the configuration allows: a Lease younger than that is renewed.
const freshInAnyPolicy = 15 * time.Second

// Covers reports whether an incident is about the node as it is now, so that no second one is opened for it: the same Node
// object in the same boot, or in a later one while its Lease is renewed, for that is how a node returns. One that fell silent
// in a later boot is another incident.
func Covers(spec failurev1alpha1.NodeFailureSpec, status failurev1alpha1.NodeFailureStatus, node NodeView) bool {
	if Finished(status) || spec.NodeUID != node.UID {
		return false
	}
	return spec.BootID == node.BootID || node.LeaseUnchangedFor < freshInAnyPolicy
}

func firstStatus(node NodeView, now time.Time) failurev1alpha1.NodeFailureStatus {
	at := micro(now)
	status := failurev1alpha1.NodeFailureStatus{
		Phase: failurev1alpha1.PhaseSuspect, Reason: "NotReady", Message: "the node is not Ready",
		SuspectedAt: &at, LeaseFingerprint: node.LeaseFingerprint,
	}
	if node.Ready != "False" {
		status.Reason, status.Message = "LeaseStale", "the node's Lease is not renewed"
	}
	if !node.LeaseLastChange.IsZero() {
		seen := micro(node.LeaseLastChange)
		status.LastSeenAliveAt = &seen
	}
	status.Transitions = []failurev1alpha1.Transition{{Phase: status.Phase, At: at, Reason: status.Reason}}
	return status
}
