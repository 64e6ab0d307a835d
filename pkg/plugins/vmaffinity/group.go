// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

// group is the VMs that leave a host together and belong together.
type group struct {
	// members are the pod's VM, which is the first, and the others.
	members []member
	// begun is true when one of them has a place elsewhere already.
	begun bool
	// leaving is what the others count for in sumNear on the host that they leave.
	leaving sum
	// roomy has the domains with room for all that need it; nil as long as nobody has looked.
	roomy map[string]bool
}

// member is a VM of a group.
type member struct {
	vm        types.UID
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

// gather finds the pod's group, and where there is room for it if that matters in this try.
func (pl *VMAffinity) gather(s *preFilterState) error {
	f := s.facts
	info, err := framework.NewPodInfo(f.pod)
	if err != nil {
		return fmt.Errorf("reading the pod's requests: %w", err)
	}
	others, err := pl.leaving(f)
	if err != nil {
		return err
	}
	g := &f.group
	g.members = []member{{vm: f.vm.UID, pod: f.pod, namespace: f.namespace, terms: f.terms.affinity, requests: info.CalculateResource().Resource}}
	for at := 0; at < len(g.members); at++ {
		others = slices.DeleteFunc(others, func(m member) bool {
			if !together(&g.members[at], &m) {
				return false
			}
			g.members = append(g.members, m)
			return true
		})
	}
	for i := range g.members[1:] {
		m := &g.members[1+i]
		g.begun = g.begun || m.gone
		pl.countLeaving(f, m)
	}
	if s.concedes == concedeNothing && len(g.leaving.byKey) == 0 {
		return nil
	}
	return pl.makeRoom(f)
}

// countLeaving adds what a member counts for on the host that it leaves, and not elsewhere with the same topology values.
func (pl *VMAffinity) countLeaving(f *facts, m *member) {
	affinity := &f.own[0] // asked about first
	add := func(_ int, key, value string, n int64) { f.group.leaving.add(key, value, n) }
	all := pl.view.Launchers(m.vm)
	elsewhere := slices.DeleteFunc(slices.Clone(all), func(l clusterview.Launcher) bool { return l.Node.Name == f.vm.Evacuating })
	affinity.vm(all, follows(f.vm, all), 1, add)
	affinity.vm(elsewhere, follows(f.vm, elsewhere), -1, add)
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
			vm: uid, pod: pod.GetPod(), namespace: namespace, terms: pod.GetRequiredAffinityTerms(),
			requests: pod.CalculateResource().Resource,
		}
		for _, l := range pl.view.Launchers(uid) {
			m.gone = m.gone || l.Presence.Ahead || l.Presence.Affinity && l.Node.Name != f.vm.Evacuating
		}
		members = append(members, m)
	}
	return members, nil
}

// makeRoom finds where there is room for those of the group that have no place yet.
func (pl *VMAffinity) makeRoom(f *facts) error {
	hosts, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return err
	}
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(host fwk.NodeInfo) bool {
		return host.Node().Name == f.vm.Evacuating || pl.mustLeave(host.Node())
	})
	var left []fwk.Resource
	for i := range f.group.members {
		if m := &f.group.members[i]; !m.gone {
			left = append(left, m.requests)
		}
	}
	f.group.roomy = roomFor(left, f.own[0].keys, hosts)
	return nil
}

// roomyAt is true for a node with the given labels where there is room for the group.
func (f *facts) roomyAt(labels map[string]string) bool {
	domain, ok := domainOf(f.own[0].keys, labels)
	return ok && f.group.roomy[domain]
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

// roomFor says in which domains there is room for all of some pods, host by host, the largest first: that is how they would
// be placed if nothing else mattered.
func roomFor(all []fwk.Resource, keys []string, hosts []fwk.NodeInfo) map[string]bool {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b fwk.Resource) int {
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
			rest = slices.Clone(all)
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
