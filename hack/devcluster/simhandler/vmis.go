// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	virtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/play"
)

// launcherApp is the value of the label kubevirt.io on launcher pods.
const launcherApp = "virt-launcher"

// reconcileVMI does all that can be done about the VMI of a name, and about guests of VMIs that had that name.
func (c *Controller) reconcileVMI(ctx context.Context, name types.NamespacedName) (time.Duration, error) {
	var vmi virtv1.VirtualMachineInstance
	err := c.Reader.Get(ctx, name, &vmi)
	if client.IgnoreNotFound(err) != nil {
		return 0, err
	}
	gone := apierrors.IsNotFound(err)
	for _, g := range c.World.Live(func(g guests.Guest) bool {
		return g.Namespace == name.Namespace && g.VMI == name.Name && g.VMIUID != vmi.UID
	}) {
		step := play.Stray(g, c.World.Machine(g.Node))
		if _, err := c.carryOut(ctx, g.VMIUID, step); err != nil {
			return 0, err
		}
	}
	c.World.EndMovesBut(name, vmi.UID)
	if gone {
		c.forgetWrite(name)
		return 0, nil
	}
	if c.behind(name, &vmi) {
		return 0, nil // the informer will call again with what was written last
	}
	for {
		view, err := c.view(ctx, &vmi)
		if err != nil {
			return 0, err
		}
		step := play.NextVMI(view)
		again, err := c.carryOut(ctx, vmi.UID, step)
		if err != nil || !again {
			return step.After, err
		}
	}
}

func (c *Controller) view(ctx context.Context, vmi *virtv1.VirtualMachineInstance) (play.View, error) {
	pods, err := c.podsOf(ctx, vmi.UID)
	if err != nil {
		return play.View{}, err
	}
	v := play.View{
		Now:          c.Clock.Now(),
		Timing:       c.Timing,
		VMI:          vmi,
		Pods:         pods,
		Machine:      c.World.Machine,
		Exit:         c.World.Exit,
		Attached:     c.isAttached,
		VolumesReady: func(pod *corev1.Pod) bool { return c.volumesReady(ctx, pod) },
	}
	if g, ok := c.World.Guest(vmi.UID); ok {
		v.Guest = &g
	}
	if m, ok := c.World.Move(vmi.UID); ok {
		v.Move = &m
	}
	return v, nil
}

// carryOut does a step and says whether to look for the next at once: after a write the informer calls again.
func (c *Controller) carryOut(ctx context.Context, vmi types.UID, step play.Step) (bool, error) {
	now := c.Clock.Now()
	if step.Do != play.Nothing {
		c.Log.V(2).Info("step", "do", step.Do, "vmi", vmi, "node", step.Node, "why", step.Why)
	}
	switch step.Do {
	case play.Nothing:
		return false, nil
	case play.StartGuest:
		return true, c.startGuest(ctx, vmi, step)
	case play.StopGuest:
		g := step.Guest
		if err := c.World.Stop(g.VMIUID, g.PodUID, now, step.Why); err != nil {
			return false, err
		}
		c.queue.Add(key{kind: aPod, NamespacedName: types.NamespacedName{Namespace: g.Namespace, Name: g.PodName}})
		c.enqueueVMI(g.Namespace, g.VMI)
		return true, nil
	case play.BeginMove:
		return true, c.World.BeginMove(vmi, step.Move, now)
	case play.AdoptMove:
		return true, c.World.AdoptMove(vmi, step.Move, now)
	case play.BreakMove:
		c.World.BreakMove(vmi, now, step.Why, step.Aborted)
		return true, nil
	case play.SwitchOver:
		return true, c.switchOver(ctx, vmi)
	case play.EndMove:
		c.World.EndMove(vmi)
		return true, nil
	case play.UpdateVMI:
		return false, c.updateVMI(ctx, step)
	case play.PatchPod, play.DeletePod:
		return false, c.writePod(ctx, step)
	}
	return false, fmt.Errorf("no such step: %q", step.Do)
}

// startGuest boots a guest if its pod and its machine are still there. The time is taken before they are asked after,
// so that the ledger never says that a guest ran on a machine without power.
func (c *Controller) startGuest(ctx context.Context, vmi types.UID, step play.Step) error {
	at := c.Clock.Now()
	var pod corev1.Pod
	err := c.Live.Get(ctx, client.ObjectKeyFromObject(step.Pod), &pod)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || pod.UID != step.Pod.UID || pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning {
		return fmt.Errorf("launcher pod %s/%s does not run any more", step.Pod.Namespace, step.Pod.Name)
	}
	if err := c.refresh(ctx); err != nil {
		return err
	}
	return c.World.Start(guests.Guest{
		Namespace: pod.Namespace,
		VMI:       pod.Annotations[virtv1.DomainAnnotation],
		VMIUID:    vmi,
		PodUID:    pod.UID,
		PodName:   pod.Name,
		Node:      step.Node,
	}, at)
}

func (c *Controller) switchOver(ctx context.Context, vmi types.UID) error {
	at := c.Clock.Now()
	if err := c.refresh(ctx); err != nil {
		return err
	}
	if err := c.World.SwitchOver(vmi, at); err != nil {
		return err
	}
	pods, err := c.podsOf(ctx, vmi)
	for _, pod := range pods {
		c.enqueuePod(pod) // the source's launcher has nothing left to run
	}
	return err
}

func (c *Controller) updateVMI(ctx context.Context, step play.Step) error {
	handler, err := c.Identities.Handler(step.Node)
	if err != nil {
		return err
	}
	if err := handler.Update(ctx, step.VMI); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("virt-handler of %s: %w", step.Node, err)
	}
	c.mu.Lock()
	c.written[client.ObjectKeyFromObject(step.VMI)] = step.VMI.ResourceVersion
	c.mu.Unlock()
	c.Log.V(1).Info("VMI written", "vmi", client.ObjectKeyFromObject(step.VMI), "node", step.Node,
		"phase", step.VMI.Status.Phase)
	return nil
}

// behind says whether the informer has not seen yet what was written last. Resource versions of one kind grow.
func (c *Controller) behind(name types.NamespacedName, vmi *virtv1.VirtualMachineInstance) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, err := strconv.ParseUint(c.written[name], 10, 64)
	if err != nil {
		return false
	}
	have, err := strconv.ParseUint(vmi.ResourceVersion, 10, 64)
	return err == nil && have < last
}

func (c *Controller) forgetWrite(name types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.written, name)
}
