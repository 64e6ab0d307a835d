// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	schedutil "k8s.io/kubernetes/pkg/scheduler/util"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// EventsToRegister returns what may let a VM in that Filter refused everywhere. Guests that shrink without any pod
// changing come from clusterview's informer, which wakes the VMs that wait.
func (pl *VMUtilization) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		{
			Event:          fwk.ClusterEvent{Resource: fwk.Pod, ActionType: fwk.Delete | fwk.UpdatePodScaleDown},
			QueueingHintFn: pl.afterPodChange,
		},
		{
			Event:          fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeAllocatable | fwk.UpdateNodeAnnotation},
			QueueingHintFn: pl.afterNodeChange,
		},
	}, nil
}

// afterPodChange says whether a pod that went, or requests less, makes room under a cap.
func (pl *VMUtilization) afterPodChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	before, after, err := schedutil.As[*corev1.Pod](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	vm := pl.view.VM(pod)
	if vm == nil {
		return fwk.Queue, nil // it was refused as a VM, and is none any more
	}
	if before == nil {
		return fwk.QueueSkip, nil
	}
	if before.UID == pod.UID {
		// Its own requests say how large it is only when nothing else does.
		return hint(vm.Guessed), nil
	}
	node := before.Spec.NodeName
	if node == "" && after == nil {
		node = before.Status.NominatedNodeName // VMs that came after it were refused as if it were there
	}
	if node == "" {
		return fwk.QueueSkip, nil
	}
	freed, err := pl.freed(before, after, vm)
	if err != nil {
		return fwk.Queue, err
	}
	helps := pl.roomHelps(node, vm.Size, freed)
	logger.V(5).Info("A pod went or was scaled down", "pod", klog.KObj(pod), "changedPod", klog.KObj(before), "node", node, "helps", helps)
	return hint(helps), nil
}

// freed returns the CPU, and the memory of the pool that a VM needs, of which there may be more since a pod changed; of
// amounts of guests only that they are not 0 means something.
func (pl *VMUtilization) freed(before, after *corev1.Pod, vm *model.VM) (model.Room, error) {
	if adapt.Attachment(before) {
		return model.Room{}, nil
	}
	if other := pl.view.VM(before); other != nil {
		if other.UID == vm.UID {
			return model.Room{}, nil // wherever it is, it does not stand in its own way
		}
		if after != nil && !other.Guessed {
			return model.Room{}, nil // its guest has not changed
		}
		guests := model.Guests{}.Plus(other.Size, vm.Size.PageSize)
		return model.Room{MilliCPU: guests.SharedVCPUs + guests.DedicatedVCPUs, Memory: guests.Memory}, nil
	}
	room, err := requestedRoom(before, vm.Size.PageSize)
	if err != nil || after == nil {
		return room, err
	}
	left, err := requestedRoom(after, vm.Size.PageSize)
	return model.Room{MilliCPU: room.MilliCPU - left.MilliCPU, Memory: room.Memory - left.Memory}, err
}

func requestedRoom(pod *corev1.Pod, pageSize int64) (model.Room, error) {
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return model.Room{}, fmt.Errorf("reading pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return adapt.RoomOf(info.CalculateResource().Resource, pageSize), nil
}

// roomHelps is true when a host may have refused a VM of the given size for want of what was freed.
func (pl *VMUtilization) roomHelps(name string, size model.Size, freed model.Room) bool {
	if pl.nodes == nil {
		return true
	}
	node, err := pl.nodes.Get(name)
	if err != nil {
		return true // it has come just now, or gone
	}
	caps := pl.capsOn(node)
	if (caps.CPU == 0 || freed.MilliCPU <= 0) && (caps.Memory == 0 || freed.Memory <= 0) {
		return false
	}
	return alone(caps, allocatable(node, size.PageSize), size) == 0
}

// afterNodeChange says whether a node that came, or has other resources or caps than it had, may have room under its caps.
func (pl *VMUtilization) afterNodeChange(logger klog.Logger, pod *corev1.Pod, oldObj, newObj any) (fwk.QueueingHint, error) {
	before, after, err := schedutil.As[*corev1.Node](oldObj, newObj)
	if err != nil {
		return fwk.Queue, err
	}
	vm := pl.view.VM(pod)
	if vm == nil {
		return fwk.Queue, nil
	}
	if after == nil {
		return fwk.QueueSkip, nil
	}
	caps, room := pl.capsOn(after), allocatable(after, vm.Size.PageSize)
	helps := alone(caps, room, vm.Size) == 0
	if before != nil {
		helps = helps && caps.Raised(room, pl.capsOn(before), allocatable(before, vm.Size.PageSize), vm.Size.PageSize)
	}
	logger.V(5).Info("A node came or changed", "pod", klog.KObj(pod), "node", klog.KObj(after), "helps", helps)
	return hint(helps), nil
}

func allocatable(node *corev1.Node, pageSize int64) model.Room {
	return adapt.RoomOf(framework.NewResource(node.Status.Allocatable), pageSize)
}

func hint(helps bool) fwk.QueueingHint {
	if helps {
		return fwk.Queue
	}
	return fwk.QueueSkip
}
