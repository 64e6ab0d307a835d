// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// read makes a Host of a NodeInfo: its launchers, appended to launchers, and what its other pods request. Sizes of
// launchers that frozen has are taken from there. What follows from the launchers is left to be computed.
func (v *View) read(info fwk.NodeInfo, frozen *Host, launchers []launcher) *Host {
	h := &Host{generation: info.GetGeneration()}
	if node := info.Node(); node != nil {
		h.Name = node.Name
	}
	for _, podInfo := range info.GetPods() {
		pod := podInfo.GetPod()
		if ended(pod) {
			continue
		}
		if uid, ok := adapt.VMOf(pod); ok {
			launchers = append(launchers, v.launcherOf(pod, uid, frozen, len(launchers)))
		} else if !adapt.Attachment(pod) {
			h.Others.add(podInfo.CalculateResource().Resource) // computed when the pod was added
		}
	}
	h.launchers = launchers
	return h
}

func (v *View) launcherOf(pod *corev1.Pod, vm types.UID, frozen *Host, position int) launcher {
	known := adapt.LauncherOf(pod, vm)
	l := launcher{vm: vm, pod: pod.UID, created: known.Created.Unix()}
	l.setIf(known.MigrationTarget, target)
	l.setIf(known.Ending, ending)
	if before := frozen.find(pod.UID, position); before != nil {
		l.setSize(before.size())
		l.setIf(before.is(settled), settled)
		return l
	}
	if full, ok := v.vms.VM(vm); ok {
		l.setSize(full.Size)
		l.setIf(moved(full.Move, adapt.MigrationOf(pod)), settled)
	} else {
		l.setSize(adapt.SizeFromPod(pod, adapt.DefaultCPUAllocationRatio))
	}
	return l
}

// moved is true when the migration that a pod was made for has ended, with or without success.
func moved(move model.Move, of types.UID) bool { return of != "" && move.Migration == of && move.Ended }

// find returns the launcher of a pod, or nil. It is looked for first where it would be if few pods had come or gone.
func (h *Host) find(pod types.UID, position int) *launcher {
	if h == nil {
		return nil
	}
	if position < len(h.launchers) && h.launchers[position].pod == pod {
		return &h.launchers[position]
	}
	for i := range h.launchers {
		if h.launchers[i].pod == pod {
			return &h.launchers[i]
		}
	}
	return nil
}

// ended is true for pods that hold nothing any more. The scheduler's own informer leaves them out.
func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func (r *Requests) add(more fwk.Resource) {
	r.MilliCPU = saturate(r.MilliCPU, more.GetMilliCPU())
	r.Memory.add(model.OrdinaryMemory, more.GetMemory())
	for name, amount := range more.GetScalarResources() {
		if pageSize, ok := pageSizeOf(name); ok {
			r.Memory.add(pageSize, amount)
		}
	}
}

// pageSizeOf returns the page size of a resource of huge pages, however it is spelled ("1Gi", "1024Mi").
func pageSizeOf(name corev1.ResourceName) (int64, bool) {
	size, ok := strings.CutPrefix(string(name), corev1.ResourceHugePagesPrefix)
	if !ok {
		return 0, false
	}
	quantity, err := resource.ParseQuantity(size)
	return quantity.Value(), err == nil
}
