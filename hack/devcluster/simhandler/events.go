// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	virtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The names of the informers' indexes.
const (
	nodeIndex  = "spec.nodeName"
	ownerIndex = "metadata.controllerUID"
)

// Indexes are the indexes of pods that the controller needs of its Reader.
func Indexes() map[string]client.IndexerFunc {
	return map[string]client.IndexerFunc{
		nodeIndex: func(o client.Object) []string {
			return []string{o.(*corev1.Pod).Spec.NodeName}
		},
		ownerIndex: func(o client.Object) []string {
			if ref := metav1.GetControllerOf(o); ref != nil {
				return []string{string(ref.UID)}
			}
			return nil
		},
	}
}

// Follow makes the informers' events work for the controller.
func (c *Controller) Follow(ctx context.Context, informers cache.Informers) error {
	for _, what := range []struct {
		object  client.Object
		handler toolscache.ResourceEventHandler
	}{
		{&corev1.Pod{}, toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { c.podChanged(o) },
			UpdateFunc: func(_, o any) { c.podChanged(o) },
			DeleteFunc: func(o any) { c.podDeleted(o) },
		}},
		{&virtv1.VirtualMachineInstance{}, toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { c.vmiChanged(ctx, o) },
			UpdateFunc: func(_, o any) { c.vmiChanged(ctx, o) },
			DeleteFunc: func(o any) { c.vmiChanged(ctx, o) },
		}},
		{&corev1.Node{}, toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { c.nodeChanged(o) },
			UpdateFunc: func(_, o any) { c.nodeChanged(o) },
			DeleteFunc: func(o any) { c.nodeChanged(o) },
		}},
		{&corev1.PersistentVolumeClaim{}, toolscache.ResourceEventHandlerFuncs{}},
		{&corev1.PersistentVolume{}, toolscache.ResourceEventHandlerFuncs{}},
	} {
		informer, err := informers.GetInformer(ctx, what.object, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("informer of %T: %w", what.object, err)
		}
		if _, err := informer.AddEventHandler(what.handler); err != nil {
			return fmt.Errorf("informer of %T: %w", what.object, err)
		}
	}
	return nil
}

func (c *Controller) podChanged(o any) {
	pod, ok := o.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return
	}
	c.enqueuePod(pod)
	if owner := metav1.GetControllerOf(pod); owner != nil {
		c.enqueueVMI(pod.Namespace, owner.Name)
	}
	if len(claims(pod)) > 0 {
		c.enqueueNode(pod.Spec.NodeName)
	}
}

func (c *Controller) podDeleted(o any) {
	if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = tombstone.Obj
	}
	pod, ok := o.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return
	}
	c.queue.Add(key{
		kind: aGonePod, NamespacedName: client.ObjectKeyFromObject(pod), uid: pod.UID, node: pod.Spec.NodeName,
	})
	c.podChanged(pod)
}

func (c *Controller) vmiChanged(ctx context.Context, o any) {
	if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = tombstone.Obj
	}
	vmi, ok := o.(*virtv1.VirtualMachineInstance)
	if !ok {
		return
	}
	c.enqueueVMI(vmi.Namespace, vmi.Name)
	pods, err := c.podsOf(ctx, vmi.UID)
	if err != nil {
		c.Log.Error(err, "pods of a VMI", "vmi", client.ObjectKeyFromObject(vmi))
		return
	}
	for _, pod := range pods {
		c.enqueuePod(pod)
	}
}

func (c *Controller) nodeChanged(o any) {
	if node, ok := o.(*corev1.Node); ok {
		c.enqueueNode(node.Name)
	}
}

func (c *Controller) enqueueVMI(namespace, name string) {
	c.queue.Add(key{kind: aVMI, NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
}

func (c *Controller) enqueuePod(pod *corev1.Pod) {
	if pod.Labels[virtv1.AppLabel] == launcherApp {
		c.queue.Add(key{kind: aPod, NamespacedName: client.ObjectKeyFromObject(pod)})
	}
}

func (c *Controller) enqueueNode(name string) {
	c.queue.Add(key{kind: aNode, NamespacedName: types.NamespacedName{Name: name}})
}

// podsOf are the launcher pods that a VMI controls.
func (c *Controller) podsOf(ctx context.Context, vmi types.UID) ([]*corev1.Pod, error) {
	var list corev1.PodList
	if err := c.Reader.List(ctx, &list, client.MatchingFields{ownerIndex: string(vmi)}); err != nil {
		return nil, err
	}
	var pods []*corev1.Pod
	for i := range list.Items {
		if list.Items[i].Labels[virtv1.AppLabel] == launcherApp {
			pods = append(pods, &list.Items[i])
		}
	}
	return pods, nil
}
