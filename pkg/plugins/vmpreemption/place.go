// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// place is a host on which room is looked for. It answers the questions of victims.Choose; one goroutine uses it.
type place struct {
	pl        *VMPreemption
	ctx       context.Context //nolint:containedctx // lives no longer than the call that it was made for
	state     fwk.CycleState  // of the preemptor: a copy, in which those that are gone are gone
	preemptor *corev1.Pod
	host      fwk.NodeInfo // a copy, likewise
	attempt   *attempt
	vms       bool        // a VM may have to go
	toobig    *model.VM   // one that has no home anywhere, by its memory alone; nil for none
	all       []candidate // those that may go, most important first
	gone      []bool      // of all, as host and state are now
	movers    []*mover    // of all, as far as homes were looked for

	full *fwk.Status // why the preemptor did not fit when it was looked at last
	// housed are those for which homes were found last.
	housed []int
	homes  []home
}

// candidate is a pod that may have to go.
type candidate struct {
	pod fwk.PodInfo
	// attachments are the pods of its hot-plugged disks, which go with it.
	attachments []fwk.PodInfo
	// launcher is true for a VM's pod.
	launcher bool
	// leaves is true for a pod that is being deleted already, and waits for a launcher that waits in Permit, and holds no guest. When these go
	// nobody comes to harm.
	leaves, waits bool
	vm            *model.VM // of a launcher that holds a guest
	fate          victims.Fate
	violates      bool
}

// needsHome is true for a VM that goes on elsewhere.
func (c *candidate) needsHome() bool { return c.fate.Moves() }

// memory is what its pods request.
func (c *candidate) memory() (total int64) {
	total = c.pod.CalculateResource().Resource.GetMemory()
	for _, attachment := range c.attachments {
		total += attachment.CalculateResource().Resource.GetMemory()
	}
	return total
}

// placeOf returns a host as a place; it is not changed until it is looked at.
func (pl *VMPreemption) placeOf(ctx context.Context, preemptor *corev1.Pod, host fwk.NodeInfo, a *attempt) *place {
	p := &place{pl: pl, ctx: ctx, preemptor: preemptor, host: host, attempt: a}
	room := a.homes.most(host.Node().Name)
	for _, there := range host.GetPods() {
		c, ok := pl.candidateOf(host, there, preemptor)
		if !ok {
			continue
		}
		p.vms = p.vms || c.launcher
		if c.needsHome() && c.memory() > room {
			p.toobig = c.vm
			continue
		}
		p.all = append(p.all, c)
	}
	slices.SortStableFunc(p.all, func(a, b candidate) int {
		switch {
		case pl.MoreImportantPod(a.pod.GetPod(), b.pod.GetPod()):
			return -1
		case pl.MoreImportantPod(b.pod.GetPod(), a.pod.GetPod()):
			return 1
		default:
			return 0
		}
	})
	p.gone, p.movers = make([]bool, len(p.all)), make([]*mover, len(p.all))
	return p
}

// attachmentsOf returns the pods that attach disks to the VM of a launcher pod, which owns them.
func attachmentsOf(host fwk.NodeInfo, launcher *corev1.Pod) (attachments []fwk.PodInfo) {
	for _, there := range host.GetPods() {
		pod := there.GetPod()
		if adapt.Attachment(pod) && len(pod.OwnerReferences) > 0 && pod.OwnerReferences[0].UID == launcher.UID {
			attachments = append(attachments, there)
		}
	}
	return attachments
}

func (p *place) victims() []victims.Victim {
	all := make([]victims.Victim, len(p.all))
	for i := range p.all {
		c := &p.all[i]
		all[i] = victims.Victim{Violates: c.violates, Frees: freed(c.pod, c.attachments)}
		switch {
		case c.needsHome():
			all[i].Moves, all[i].Memory = true, c.vm.Size.Memory
		case c.leaves, c.waits:
			all[i].Moves = true // of nothing, which is cheaper than all others
		}
	}
	return all
}

// What is counted of what becomes free.
const (
	freesCPU = iota // in thousandths
	freesMemory
	freesPods // room for so many
	freesOf
)

// freed is what becomes free when these go: CPU, memory, and room for pods.
func freed(pod fwk.PodInfo, others []fwk.PodInfo) []int64 {
	free := make([]int64, freesOf)
	for _, there := range append([]fwk.PodInfo{pod}, others...) {
		resource := there.CalculateResource().Resource
		free[freesCPU] += resource.GetMilliCPU()
		free[freesMemory] += resource.GetMemory()
		free[freesPods]++
	}
	return free
}

// short is what the preemptor lacks.
func (p *place) short() []int64 { return p.pl.short(p.attempt.preemptor, p.host) }

// short is what a pod lacks on a host, as far as NodeResourcesFit refuses for it.
func (pl *VMPreemption) short(preemptor fwk.PodInfo, host fwk.NodeInfo) []int64 {
	if !pl.fitsByRequests() {
		return nil
	}
	needs, has, used := preemptor.CalculateResource().Resource, host.GetAllocatable(), host.GetRequested()
	short := make([]int64, freesOf)
	if needs.GetMilliCPU() > 0 {
		short[freesCPU] = max(needs.GetMilliCPU()-(has.GetMilliCPU()-used.GetMilliCPU()), 0)
	}
	if needs.GetMemory() > 0 {
		short[freesMemory] = max(needs.GetMemory()-(has.GetMemory()-used.GetMemory()), 0)
	}
	short[freesPods] = max(int64(len(host.GetPods()))+1-int64(has.GetAllowedPodNumber()), 0)
	return short
}

// Fits implements victims.Place: whether the preemptor fits when these are gone.
func (p *place) Fits(gone []bool) (bool, error) {
	if err := p.leave(gone); err != nil {
		return false, err
	}
	p.full = p.pl.handle.RunFilterPluginsWithNominatedPods(p.ctx, p.state, p.preemptor, p.host)
	if p.full.Code() == fwk.Error {
		return false, p.full.AsError()
	}
	return p.full.IsSuccess(), nil
}

// leave makes host and state those in which exactly these are gone.
func (p *place) leave(gone []bool) error {
	for i := range p.all {
		if gone[i] == p.gone[i] {
			continue
		}
		for _, there := range append([]fwk.PodInfo{p.all[i].pod}, p.all[i].attachments...) {
			if err := p.change(there, gone[i]); err != nil {
				return err
			}
		}
		p.gone[i] = gone[i]
	}
	return nil
}

func (p *place) change(there fwk.PodInfo, goes bool) error {
	if !goes {
		p.host.AddPodInfo(there)
		return p.pl.handle.RunPreFilterExtensionAddPod(p.ctx, p.state, p.preemptor, there, p.host).AsError()
	}
	if err := p.host.RemovePod(klog.FromContext(p.ctx), there.GetPod()); err != nil {
		return err
	}
	return p.pl.handle.RunPreFilterExtensionRemovePod(p.ctx, p.state, p.preemptor, there, p.host).AsError()
}

// Homes implements victims.Place: whether these have a home each, all at the same time.
func (p *place) Homes(moved []int) (bool, error) {
	moved = p.movingAmong(moved)
	found, ok, err := p.rehome(moved)
	if ok {
		p.housed, p.homes = moved, found
	}
	return ok, err
}

// movingAmong returns those among some that need a home.
func (p *place) movingAmong(some []int) []int {
	moving := make([]int, 0, len(some))
	for _, i := range some {
		if p.all[i].needsHome() {
			moving = append(moving, i)
		}
	}
	return moving
}

// refusal says why there is no room to be made; homeless are those that have no home.
func (p *place) refusal(homeless []int) *fwk.Status {
	homeless = p.movingAmong(homeless)
	if len(homeless) == 1 {
		return fitsNowhere(p.all[homeless[0]].vm)
	}
	if len(homeless) > 1 {
		names := make([]string, len(homeless))
		for i, c := range homeless {
			names[i] = p.all[c].vm.Namespace + "/" + p.all[c].vm.Name
		}
		return fwk.NewStatus(fwk.Unschedulable, "VMs "+strings.Join(names, ", ")+" would have to move but do not fit anywhere at the same time")
	}
	if p.full != nil && !p.full.IsSuccess() {
		return p.full
	}
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "No preemption victims found for incoming pod")
}

func fitsNowhere(vm *model.VM) *fwk.Status {
	return fwk.NewStatus(fwk.Unschedulable, "VM "+vm.Namespace+"/"+vm.Name+" would have to move but fits nowhere")
}

// chosen returns the pods that were chosen, most important first, and how many of them violate a disruption budget.
func (p *place) chosen(chosen []int) (pods []*corev1.Pod, violating int) {
	slices.Sort(chosen)
	for _, i := range chosen {
		pods = append(pods, p.all[i].pod.GetPod())
		if p.all[i].violates {
			violating++
		}
	}
	return pods, violating
}
