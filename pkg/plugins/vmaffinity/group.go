// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
)

// member is a VM of an evacuation that belongs together with others.
type member struct {
	pod       *corev1.Pod
	namespace labels.Set
	terms     []fwk.AffinityTerm // its required affinity
	requests  fwk.Resource
	// gone is true for a VM that has a place elsewhere already.
	gone bool
}

// together is true for two of which one has to be near the other.
func together(a, b *member) bool { return a.near(b) || b.near(a) }

func (m *member) near(other *member) bool {
	for i := range m.terms {
		if !m.terms[i].Matches(other.pod, other.namespace) {
			return false
		}
	}
	return len(m.terms) > 0
}

// groupOf returns those that still need room of the VMs which leave the host with the pod's and belong together with it,
// or with others that do; the pod is among them.
func (pl *VMAffinity) groupOf(f *facts, requests fwk.Resource) ([]fwk.Resource, error) {
	group := []member{{pod: f.pod, namespace: f.namespace, terms: f.terms.affinity, requests: requests}}
	others, err := pl.leaving(f)
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(group); at++ {
		others = slices.DeleteFunc(others, func(m member) bool {
			if !together(&group[at], &m) {
				return false
			}
			group = append(group, m)
			return true
		})
	}
	var left []fwk.Resource
	for i := range group {
		if !group[i].gone {
			left = append(left, group[i].requests)
		}
	}
	return left, nil
}

// leaving returns the other VMs that leave the same host and are still there.
func (pl *VMAffinity) leaving(f *facts) ([]member, error) {
	source, err := pl.handle.SnapshotSharedLister().NodeInfos().Get(f.vm.Evacuating)
	if err != nil {
		return nil, err
	}
	var members []member
	for _, pod := range source.GetPods() {
		uid, ok := adapt.VMOf(pod.GetPod())
		if !ok || uid == f.vm.UID {
			continue
		}
		if vm := pl.view.VM(pod.GetPod()); vm.Evacuating != f.vm.Evacuating {
			continue
		}
		namespace, err := pl.labelsOf(pod.GetPod().Namespace)
		if err != nil {
			return nil, err
		}
		m := member{
			pod: pod.GetPod(), namespace: namespace, terms: pod.GetRequiredAffinityTerms(),
			requests: pod.CalculateResource().Resource,
		}
		for _, l := range pl.view.Launchers(uid) {
			m.gone = m.gone || l.Presence.Ahead
		}
		members = append(members, m)
	}
	return members, nil
}

// domainOf returns the place that a group can share: the values of the topology keys that a node with the given labels has.
// ok is false where one is missing.
func domainOf(keys []string, labels map[string]string) (domain string, ok bool) {
	var b strings.Builder
	for _, key := range keys {
		value, ok := labels[key]
		if !ok {
			return "", false
		}
		b.WriteString(value)
		b.WriteByte(0)
	}
	return b.String(), true
}

// roomFor says in which domains there is room for all of a group, host by host, the largest first: that is how they would
// be placed if nothing else mattered.
func roomFor(group []fwk.Resource, keys []string, hosts []fwk.NodeInfo) map[string]bool {
	group = slices.Clone(group)
	slices.SortStableFunc(group, func(a, b fwk.Resource) int {
		return cmp.Or(cmp.Compare(b.GetMemory(), a.GetMemory()), cmp.Compare(b.GetMilliCPU(), a.GetMilliCPU()))
	})
	left := map[string][]fwk.Resource{}
	for _, host := range hosts {
		domain, ok := domainOf(keys, host.Node().Labels)
		if !ok {
			continue
		}
		rest, seen := left[domain]
		if !seen {
			rest = slices.Clone(group)
		}
		if len(rest) > 0 {
			rest = fill(host, rest)
		}
		left[domain] = rest
	}
	room := make(map[string]bool, len(left))
	for domain, rest := range left {
		room[domain] = len(rest) == 0
	}
	return room
}

// fill takes out of a list what fits on a host.
func fill(host fwk.NodeInfo, list []fwk.Resource) []fwk.Resource {
	free := newRoom(host)
	return slices.DeleteFunc(list, free.take)
}

// room is what a host has left.
type room struct {
	milliCPU, memory, storage int64
	pods                      int
	scalars                   map[corev1.ResourceName]int64
}

func newRoom(host fwk.NodeInfo) *room {
	has, used := host.GetAllocatable(), host.GetRequested()
	r := &room{
		milliCPU: has.GetMilliCPU() - used.GetMilliCPU(),
		memory:   has.GetMemory() - used.GetMemory(),
		storage:  has.GetEphemeralStorage() - used.GetEphemeralStorage(),
		pods:     has.GetAllowedPodNumber() - len(host.GetPods()),
		scalars:  map[corev1.ResourceName]int64{},
	}
	for name, amount := range has.GetScalarResources() {
		r.scalars[name] = amount - used.GetScalarResources()[name]
	}
	return r
}

// take takes up room for a pod, if there is enough.
func (r *room) take(pod fwk.Resource) bool {
	if r.pods < 1 || !enough(r.milliCPU, pod.GetMilliCPU()) || !enough(r.memory, pod.GetMemory()) || !enough(r.storage, pod.GetEphemeralStorage()) {
		return false
	}
	for name, amount := range pod.GetScalarResources() {
		if !enough(r.scalars[name], amount) {
			return false
		}
	}
	r.pods--
	r.milliCPU -= pod.GetMilliCPU()
	r.memory -= pod.GetMemory()
	r.storage -= pod.GetEphemeralStorage()
	for name, amount := range pod.GetScalarResources() {
		r.scalars[name] -= amount
	}
	return true
}

// enough is true also for a host that is over full of something that is not asked for.
func enough(free, wanted int64) bool { return wanted <= 0 || wanted <= free }
