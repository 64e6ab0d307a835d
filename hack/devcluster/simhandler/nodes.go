// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/play"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

func (c *Controller) reconcileNode(ctx context.Context, name string) (time.Duration, error) {
	hardware, ok := c.hardware[name]
	if !ok {
		return 0, nil // not one of ours
	}
	var node corev1.Node
	if err := c.Reader.Get(ctx, types.NamespacedName{Name: name}, &node); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	volumes, err := c.volumesInUse(ctx, name)
	if err != nil {
		return 0, err
	}
	machine := c.World.Machine(name)
	view := play.NodeView{
		Now: c.Clock.Now(), Timing: c.Timing, Node: &node, Machine: machine, Hardware: hardware, Volumes: volumes,
	}
	view.Attached, view.LastBeat = c.remembered(&node, play.HandlerActs(machine))
	step := play.NextNode(view)
	if err := c.writeNode(ctx, &node, step); err != nil {
		return 0, err
	}
	if step.Booted {
		if err := c.join(ctx, name, machine.BootID, step.First); err != nil {
			return 0, err
		}
	}
	if step.Attach {
		if err := c.setManaged(ctx, &node, play.ManagedValue); err != nil {
			return 0, err
		}
	}
	if play.KubeletActs(machine) {
		if err := c.killOrphans(ctx, name); err != nil {
			return 0, err
		}
	}
	return step.After, nil
}

// remembered is the boot with which the node's kubelet joined last and virt-handler's last heartbeat.
func (c *Controller) remembered(node *corev1.Node, handlerActs bool) (string, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.attached[node.Name]; !ok {
		c.attached[node.Name] = node.Status.NodeInfo.BootID
	}
	if !handlerActs {
		delete(c.beats, node.Name) // it beats as soon as it is back
	}
	return c.attached[node.Name], c.beats[node.Name]
}

// writeNode writes in the order of a node that joins: away first, then identity, then virt-handler's labels.
func (c *Controller) writeNode(ctx context.Context, node *corev1.Node, step play.NodeStep) error {
	if step.Detach {
		if err := c.setManaged(ctx, node, ""); err != nil {
			return err
		}
	}
	if step.Registered != nil {
		kubelet, err := c.Identities.Kubelet(node.Name)
		if err != nil {
			return err
		}
		if err := kubelet.Patch(ctx, step.Registered, client.StrategicMergeFrom(node.DeepCopy())); err != nil {
			return fmt.Errorf("kubelet of %s: %w", node.Name, err)
		}
	}
	if step.Status != nil {
		kubelet, err := c.Identities.Kubelet(node.Name)
		if err != nil {
			return err
		}
		if err := kubelet.Status().Patch(ctx, step.Status, client.StrategicMergeFrom(node.DeepCopy())); err != nil {
			return fmt.Errorf("kubelet of %s: %w", node.Name, err)
		}
	}
	if step.Labelled != nil {
		handler, err := c.Identities.Handler(node.Name)
		if err != nil {
			return err
		}
		if err := handler.Patch(ctx, step.Labelled, client.StrategicMergeFrom(node.DeepCopy())); err != nil {
			return fmt.Errorf("virt-handler of %s: %w", node.Name, err)
		}
		c.mu.Lock()
		c.beats[node.Name] = c.Clock.Now()
		c.mu.Unlock()
	}
	return nil
}

// join is a kubelet after a boot: the containers of the pods that it finds are gone.
func (c *Controller) join(ctx context.Context, node, boot string, first bool) error {
	if !first {
		if err := c.failPods(ctx, node); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.attached[node] = boot
	c.mu.Unlock()
	return c.machineChanged(ctx, node) // its pods and VMIs have waited for this
}

func (c *Controller) failPods(ctx context.Context, node string) error {
	kubelet, err := c.Identities.Kubelet(node)
	if err != nil {
		return err
	}
	var pods corev1.PodList
	if err := c.Live.List(ctx, &pods, client.MatchingFields{"spec.nodeName": node}); err != nil {
		return err
	}
	var errs []error
	for i := range pods.Items {
		pod := &pods.Items[i]
		failed := play.FailedByReboot(pod, c.Clock.Now())
		if failed == nil || pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
			continue // what may restart does, and KWOK plays that
		}
		err := kubelet.Status().Patch(ctx, failed, client.StrategicMergeFrom(pod))
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("kubelet of %s: pod %s/%s: %w", node, pod.Namespace, pod.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (c *Controller) setManaged(ctx context.Context, node *corev1.Node, value string) error {
	changed := node.DeepCopy()
	if value == "" {
		delete(changed.Labels, play.ManagedLabel)
	} else {
		if changed.Labels == nil {
			changed.Labels = map[string]string{}
		}
		changed.Labels[play.ManagedLabel] = value
	}
	c.Log.Info("node handed over", "node", node.Name, "managed", value != "")
	return c.Identities.Simulation().Patch(ctx, changed, client.StrategicMergeFrom(node.DeepCopy()))
}

// killOrphans ends the guests whose pods went away while the kubelet did not look.
func (c *Controller) killOrphans(ctx context.Context, node string) error {
	for _, g := range c.World.Live(func(g guests.Guest) bool { return g.Node == node }) {
		name := types.NamespacedName{Namespace: g.Namespace, Name: g.PodName}
		var pod corev1.Pod
		err := c.Reader.Get(ctx, name, &pod)
		if err == nil && pod.UID == g.PodUID {
			continue
		}
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		// The informer may lag behind what a switch-over or a start has just seen.
		err = c.Live.Get(ctx, name, &pod)
		if err == nil && pod.UID == g.PodUID {
			continue
		}
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		c.Log.Info("guest killed: its launcher pod is gone", "vmi", g.Namespace+"/"+g.VMI, "node", g.Node)
		if err := c.World.Stop(g.VMIUID, g.PodUID, c.Clock.Now(), simhost.WhyPodGone); err != nil {
			return err
		}
		c.enqueueVMI(g.Namespace, g.VMI)
	}
	return nil
}
