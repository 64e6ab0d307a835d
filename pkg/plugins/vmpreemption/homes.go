// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"cmp"
	"hash/maphash"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	fwk "k8s.io/kube-scheduler/framework"
)

// homes are the hosts that VMs could go to, as one attempt sees them: those with the most free memory first.
type homes struct {
	hosts []fwk.NodeInfo // with all VMs that are on the way there
	free  []int64        // bytes of memory that are not requested
	cpu   []int64        // and thousandths of CPUs
	pods  []int          // for how many more pods there is room
	// puts is how often it was tried whether a VM can be put on a host.
	puts int
	// arriving are the VMs that are on the way to a host.
	arriving []arrival
	// byWish are the positions of hosts whose labels are what a pod selects, by what it selects.
	byWish map[uint64][]int
}

func homesAmong(all []fwk.NodeInfo, arriving map[string][]arrival) *homes {
	h := &homes{byWish: map[uint64][]int{}}
	h.hosts = slices.DeleteFunc(slices.Clone(all), func(host fwk.NodeInfo) bool {
		// Migrations name their home by the label.
		return host.Node() == nil || host.Node().Spec.Unschedulable || host.Node().Labels[corev1.LabelHostname] == ""
	})
	for i, host := range h.hosts {
		if here := arriving[host.Node().Name]; len(here) > 0 {
			h.hosts[i], here = expecting(host, here)
			h.arriving = append(h.arriving, here...)
		}
	}
	slices.SortStableFunc(h.hosts, func(a, b fwk.NodeInfo) int {
		return cmp.Or(cmp.Compare(freeMemory(b), freeMemory(a)), cmp.Compare(a.Node().Name, b.Node().Name))
	})
	for _, host := range h.hosts {
		h.free = append(h.free, freeMemory(host))
		h.cpu = append(h.cpu, host.GetAllocatable().GetMilliCPU()-host.GetRequested().GetMilliCPU())
		h.pods = append(h.pods, host.GetAllocatable().GetAllowedPodNumber()-len(host.GetPods()))
	}
	return h
}

// most returns the most memory that is free on a host, but for one.
func (h *homes) most(but string) int64 {
	for i, host := range h.hosts {
		if host.Node().Name != but {
			return h.free[i]
		}
	}
	return 0
}

func freeMemory(host fwk.NodeInfo) int64 {
	return host.GetAllocatable().GetMemory() - host.GetRequested().GetMemory()
}

// with returns the positions of hosts with the labels that a pod selects and room for it: the first of them, as more are not tried.
func (h *homes) with(pod *corev1.Pod, requests fwk.Resource) (positions []int) {
	for _, position := range h.selected(pod) {
		if h.free[position] < requests.GetMemory() || len(positions) >= maxTries {
			break // they are in the order of free memory
		}
		if h.cpu[position] >= requests.GetMilliCPU() && h.pods[position] > 0 {
			positions = append(positions, position)
		}
	}
	return positions
}

func (h *homes) selected(pod *corev1.Pod) []int {
	wish := wishOf(pod)
	if positions, ok := h.byWish[wish]; ok {
		return positions
	}
	required := nodeaffinity.GetRequiredNodeAffinity(pod)
	positions := []int{}
	for position, host := range h.hosts {
		if ok, err := required.Match(host.Node()); ok && err == nil {
			positions = append(positions, position)
		}
	}
	h.byWish[wish] = positions
	return positions
}

var wishSeed = maphash.MakeSeed()

// wishOf is the same for pods that select the same nodes. It does not depend on the order of labels.
func wishOf(pod *corev1.Pod) (wish uint64) {
	for key, value := range pod.Spec.NodeSelector {
		wish += maphash.String(wishSeed, key) ^ 31*maphash.String(wishSeed, value)
	}
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.NodeAffinity != nil && affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		wish += maphash.String(wishSeed, affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.String())
	}
	return wish
}
