// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
)

// claims are the names of the claims that a pod mounts.
func claims(pod *corev1.Pod) []string {
	var names []string
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			names = append(names, v.PersistentVolumeClaim.ClaimName)
		}
	}
	return names
}

// attachable is the unique name of the volume behind a claim, as the attach-detach controller and kubelets call it;
// empty when it needs no attaching. known is false while the claim is not bound.
func (c *Controller) attachable(ctx context.Context, namespace, claim string) (name corev1.UniqueVolumeName, known bool) {
	var pvc corev1.PersistentVolumeClaim
	if err := c.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: claim}, &pvc); err != nil ||
		pvc.Spec.VolumeName == "" || pvc.Status.Phase != corev1.ClaimBound {
		return "", false
	}
	var pv corev1.PersistentVolume
	if err := c.Reader.Get(ctx, types.NamespacedName{Name: pvc.Spec.VolumeName}, &pv); err != nil {
		return "", false
	}
	if pv.Spec.CSI == nil {
		return "", true
	}
	return corev1.UniqueVolumeName("kubernetes.io/csi/" + pv.Spec.CSI.Driver + "^" + pv.Spec.CSI.VolumeHandle), true
}

// volumesReady says whether the pod's volumes are attached to its node, as far as the node's status knows.
func (c *Controller) volumesReady(ctx context.Context, pod *corev1.Pod) bool {
	names := claims(pod)
	if len(names) == 0 {
		return true
	}
	var node corev1.Node
	if err := c.Reader.Get(ctx, types.NamespacedName{Name: pod.Spec.NodeName}, &node); err != nil {
		return false
	}
	for _, claim := range names {
		volume, known := c.attachable(ctx, pod.Namespace, claim)
		if !known {
			return false
		}
		attached := volume == "" || slices.ContainsFunc(node.Status.VolumesAttached,
			func(a corev1.AttachedVolume) bool { return a.Name == volume })
		if !attached {
			return false
		}
	}
	return true
}

// volumesInUse are the attachable volumes that the node's kubelet has mounted or is about to: the attach-detach
// controller detaches none of them while the node is healthy.
func (c *Controller) volumesInUse(ctx context.Context, node string) ([]corev1.UniqueVolumeName, error) {
	var pods corev1.PodList
	if err := c.Reader.List(ctx, &pods, client.MatchingFields{nodeIndex: node}); err != nil {
		return nil, err
	}
	var names []corev1.UniqueVolumeName
	for i := range pods.Items {
		pod := &pods.Items[i]
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if ended && len(c.World.Live(inPod(pod.UID))) == 0 {
			continue
		}
		for _, claim := range claims(pod) {
			if volume, _ := c.attachable(ctx, pod.Namespace, claim); volume != "" {
				names = append(names, volume)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func inPod(uid types.UID) func(guests.Guest) bool {
	return func(g guests.Guest) bool { return g.PodUID == uid }
}
