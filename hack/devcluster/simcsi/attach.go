// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simcsi

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// Driver is the driver's name.
	Driver = "sim.csi.virt-scheduler.io"
	// attachFinalizer keeps a VolumeAttachment until the volume is detached.
	attachFinalizer = "external-attacher/sim-csi-virt-scheduler-io"
	// attachTime is how long the storage system needs to attach or detach a volume.
	attachTime = 200 * time.Millisecond
	// retryTime is how long after a refusal the attacher asks again.
	retryTime = time.Second
)

// attachStep is what the attacher does next about a VolumeAttachment.
type attachStep struct {
	// Hold adds our finalizer, LetGo takes it away: the volume is detached.
	Hold, LetGo bool
	// Attach reports the volume attached.
	Attach bool
	// Refuse is the storage system's reason not to attach.
	Refuse string
	// After asks to look again.
	After time.Duration
}

// nextAttach decides about one VolumeAttachment. same are all VolumeAttachments of the same volume, shared says whether
// the volume may be attached to several nodes. Orderly detaching needs no node: a storage system cuts a node off
// whether it lives or not.
func nextAttach(va *storagev1.VolumeAttachment, same []storagev1.VolumeAttachment, shared bool, now time.Time) attachStep {
	held := slices.Contains(va.Finalizers, attachFinalizer)
	if va.DeletionTimestamp != nil {
		if !held {
			return attachStep{}
		}
		// Deletion timestamps are whole seconds: the wait is up to a second shorter than attachTime, never longer.
		if since := now.Sub(va.DeletionTimestamp.Time); since < attachTime {
			return attachStep{After: attachTime - since}
		}
		return attachStep{LetGo: true}
	}
	switch {
	case va.Status.Attached:
		return attachStep{}
	case !held:
		return attachStep{Hold: true}
	}
	if !shared {
		for i := range same {
			if other := &same[i]; other.UID != va.UID && precedes(other, va) {
				return attachStep{
					Refuse: fmt.Sprintf("volume is still attached to node %s (%s)", other.Spec.NodeName, other.Name),
					After:  retryTime,
				}
			}
		}
	}
	if since := now.Sub(va.CreationTimestamp.Time); since < attachTime {
		return attachStep{After: attachTime - since}
	}
	return attachStep{Attach: true}
}

// precedes says whether other has the volume, or has asked for it before va did.
func precedes(other, va *storagev1.VolumeAttachment) bool {
	if other.Status.Attached || other.DeletionTimestamp != nil {
		return true
	}
	if !other.CreationTimestamp.Equal(&va.CreationTimestamp) {
		return other.CreationTimestamp.Before(&va.CreationTimestamp)
	}
	return other.Name < va.Name
}

// sharedVolume says whether a volume may be attached to several nodes at once.
func sharedVolume(pv *corev1.PersistentVolume) bool {
	return slices.Contains(pv.Spec.AccessModes, corev1.ReadWriteMany) ||
		slices.Contains(pv.Spec.AccessModes, corev1.ReadOnlyMany)
}

// csiNode registers the driver on a node, as its kubelet would.
func csiNode(node *corev1.Node) *storagev1.CSINode {
	limit := int32(128)
	return &storagev1.CSINode{
		ObjectMeta: metav1.ObjectMeta{
			Name: node.Name,
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID},
			},
		},
		Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{
			Name: Driver, NodeID: node.Name, Allocatable: &storagev1.VolumeNodeResources{Count: &limit},
		}}},
	}
}
