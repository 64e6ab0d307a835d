// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
)

// maxTries bounds how often it is tried to put a VM somewhere for one plan, and maxPuts for all plans of one attempt: what takes longer would hold up
// everybody.
const (
	maxTries = 512
	maxPuts  = 1 << 15
)

// mover is a VM for which a home is looked for: the target pod of a migration that does not exist yet.
type mover struct {
	profile framework.Framework // of the VM
	state   fwk.CycleState      // of the target, with the preemptor on its host
	target  fwk.PodInfo
	names   sets.Set[string] // the only hosts that PreFilter leaves; nil for all
	hosts   []int            // that have enough memory, by their position in homes
}

// placed is a mover that was given a home.
type placed struct {
	info fwk.PodInfo
	host fwk.NodeInfo // with all that was put there
}

// rehoming looks for homes for several VMs at the same time. It implements victims.Houses; VMs are candidates of the place, hosts
// are positions in homes.
type rehoming struct {
	place *place
	put   map[int]placed
	hosts map[int]fwk.NodeInfo // those that are not as in the snapshot
}

// home is where a VM would go.
type home struct {
	target fwk.PodInfo // as it would be there
	host   fwk.NodeInfo
}

// rehome returns a home for each of these.
func (p *place) rehome(moved []int) (found []home, ok bool, err error) {
	all := p.attempt.homes
	r := &rehoming{place: p, put: map[int]placed{}, hosts: map[int]fwk.NodeInfo{}}
	positions, ok, err := victims.Rehome(moved, r, min(maxTries, maxPuts-all.puts))
	if err != nil || !ok {
		return nil, false, err
	}
	for n, position := range positions {
		target, err := framework.NewPodInfo(on(p.movers[moved[n]].target.GetPod(), all.hosts[position].Node().Name))
		if err != nil {
			return nil, false, err
		}
		found = append(found, home{target: target, host: all.hosts[position]})
	}
	return found, true, nil
}

// moverOf makes the target pod of a VM, and lets its profile's PreFilter look at it. One that all hosts refuse has none.
func (p *place) moverOf(i int) (*mover, error) {
	c := &p.all[i]
	profile := p.pl.profiles.named(c.pod.GetPod().Spec.SchedulerName)
	if profile == nil {
		return &mover{}, nil
	}
	target := adapt.TargetOf(c.pod.GetPod(), c.vm, p.host.Node())
	for _, attachment := range c.attachments {
		target.Spec.Containers = append(slices.Clip(target.Spec.Containers), attachment.GetPod().Spec.Containers...)
	}
	info, err := framework.NewPodInfo(target)
	if err != nil {
		return nil, err
	}
	hosts := p.attempt.homes.with(target, info.CalculateResource().Resource)
	m := &mover{profile: profile, state: framework.NewCycleState(), target: info, hosts: hosts}
	if len(m.hosts) == 0 {
		return m, nil
	}
	result, status, _ := profile.RunPreFilterPlugins(p.ctx, m.state, target)
	if status.Code() == fwk.Error {
		return nil, status.AsError()
	}
	if !status.IsSuccess() {
		return &mover{}, nil
	}
	if !result.AllNodes() {
		m.names = result.NodeNames
	}
	for _, a := range p.attempt.homes.arriving {
		if err := profile.RunPreFilterExtensionAddPod(p.ctx, m.state, target, a.target, a.host).AsError(); err != nil {
			return nil, err
		}
	}
	return m, profile.RunPreFilterExtensionAddPod(p.ctx, m.state, target, p.attempt.preemptor, p.host).AsError()
}

// Candidates implements victims.Houses.
func (r *rehoming) Candidates(vm int) ([]int, error) {
	m := r.place.movers[vm]
	if m == nil {
		var err error
		if m, err = r.place.moverOf(vm); err != nil {
			return nil, err
		}
		r.place.movers[vm] = m
	}
	return m.hosts, nil
}

// Put implements victims.Houses: it puts a VM on a host if that lets it.
func (r *rehoming) Put(vm, host int) (bool, error) {
	m, p := r.place.movers[vm], r.place
	p.attempt.homes.puts++
	info := r.hosts[host]
	if info == nil {
		info = p.attempt.homes.hosts[host]
	}
	name := info.Node().Name
	if name == p.host.Node().Name || m.names != nil && !m.names.Has(name) {
		return false, nil
	}
	state := m.state
	if len(r.put) > 0 {
		state = state.Clone()
		for other, there := range r.put {
			if other == vm {
				continue
			}
			if err := m.profile.RunPreFilterExtensionAddPod(p.ctx, state, m.target.GetPod(), there.info, there.host).AsError(); err != nil {
				return false, err
			}
		}
	}
	status := m.profile.RunFilterPluginsWithNominatedPods(p.ctx, state, m.target.GetPod(), info)
	if status.Code() == fwk.Error {
		return false, status.AsError()
	}
	if !status.IsSuccess() {
		return false, nil
	}
	after := info.Snapshot()
	there, err := framework.NewPodInfo(on(m.target.GetPod(), name))
	if err != nil {
		return false, err
	}
	after.AddPodInfo(there)
	r.hosts[host], r.put[vm] = after, placed{info: there, host: after}
	return true, nil
}

func on(pod *corev1.Pod, node string) *corev1.Pod {
	there := *pod
	there.Spec.NodeName = node
	return &there
}

// Take implements victims.Houses: it takes a VM away again.
func (r *rehoming) Take(vm, host int) error {
	there := r.put[vm]
	delete(r.put, vm)
	without := r.hosts[host].Snapshot()
	if err := without.RemovePod(klog.FromContext(r.place.ctx), there.info.GetPod()); err != nil {
		return err
	}
	r.hosts[host] = without
	return nil
}
