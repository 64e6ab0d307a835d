// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	virtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/play"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

func (c *Controller) reconcilePod(ctx context.Context, name types.NamespacedName) (time.Duration, error) {
	var pod corev1.Pod
	if err := c.Reader.Get(ctx, name, &pod); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	for {
		view, err := c.podView(ctx, &pod)
		if err != nil {
			return 0, err
		}
		step := play.NextPod(view)
		again, err := c.carryOut(ctx, "", step)
		if err != nil || !again {
			return step.After, err
		}
	}
}

func (c *Controller) podView(ctx context.Context, pod *corev1.Pod) (play.PodView, error) {
	node := pod.Spec.NodeName
	v := play.PodView{
		Now:      c.Clock.Now(),
		Timing:   c.Timing,
		Pod:      pod,
		Machine:  c.World.Machine(node),
		Attached: c.isAttached(node),
	}
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return v, fmt.Errorf("launcher pod %s/%s has no controller", pod.Namespace, pod.Name)
	}
	var vmi virtv1.VirtualMachineInstance
	err := c.Reader.Get(ctx, types.NamespacedName{Namespace: pod.Namespace, Name: owner.Name}, &vmi)
	if client.IgnoreNotFound(err) != nil {
		return v, err
	}
	if err == nil && vmi.UID == owner.UID {
		v.VMI = &vmi
	}
	if g, ok := c.World.Guest(owner.UID); ok && g.PodUID == pod.UID {
		v.Guest = &g
	}
	if e, ok := c.World.Exit(pod.UID); ok {
		v.Exit = &e
	}
	if starting := pod.Status.Phase != corev1.PodRunning && pod.DeletionTimestamp == nil; starting {
		v.VolumesReady = c.volumesReady(ctx, pod)
		if v.VolumesReady {
			v.PodIP = c.podIP(pod.UID)
			v.HostIP = c.nodeIP(ctx, node)
		}
	}
	return v, nil
}

func (c *Controller) nodeIP(ctx context.Context, name string) string {
	var node corev1.Node
	if err := c.Reader.Get(ctx, types.NamespacedName{Name: name}, &node); err == nil {
		for _, a := range node.Status.Addresses {
			if a.Type == corev1.NodeInternalIP {
				return a.Address
			}
		}
	}
	return "127.0.0.1"
}

// podGone is a pod that is no more in the API. A kubelet that is there kills what runs in it; one that is not will
// when it is back (reconcileNode).
func (c *Controller) podGone(k key) error {
	c.releaseIP(k.uid)
	if !play.KubeletActs(c.World.Machine(k.node)) {
		return nil
	}
	for _, g := range c.World.Live(inPod(k.uid)) {
		c.Log.Info("guest killed: its launcher pod is gone", "vmi", g.Namespace+"/"+g.VMI, "node", g.Node)
		if err := c.World.Stop(g.VMIUID, g.PodUID, c.Clock.Now(), simhost.WhyPodGone); err != nil {
			return err
		}
		c.enqueueVMI(g.Namespace, g.VMI)
	}
	c.World.Forget(k.uid)
	return nil
}

// writePod writes as the kubelet of the pod's node.
func (c *Controller) writePod(ctx context.Context, step play.Step) error {
	kubelet, err := c.Identities.Kubelet(step.Node)
	if err != nil {
		return err
	}
	pod := step.Pod
	if step.Do == play.DeletePod {
		uid := pod.UID
		err = kubelet.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &uid})
	} else {
		err = c.patchPodStatus(ctx, kubelet, pod)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("kubelet of %s: %w", step.Node, err)
	}
	c.Log.V(1).Info("pod written", "do", step.Do, "pod", client.ObjectKeyFromObject(pod), "node", step.Node,
		"phase", pod.Status.Phase)
	return nil
}

// patchPodStatus sends what differs from the pod as the informer has it.
func (c *Controller) patchPodStatus(ctx context.Context, kubelet client.Client, pod *corev1.Pod) error {
	var have corev1.Pod
	if err := c.Reader.Get(ctx, client.ObjectKeyFromObject(pod), &have); err != nil {
		return err
	}
	if have.UID != pod.UID {
		return nil
	}
	base := have.DeepCopy()
	want := have.DeepCopy()
	want.Status = pod.Status
	// With the lock, what was decided on a pod that has changed since is decided again.
	return kubelet.Status().Patch(ctx, want, client.StrategicMergeFrom(base, client.MergeFromWithOptimisticLock{}))
}
