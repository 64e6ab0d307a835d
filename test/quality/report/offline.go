// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"github.com/virt-scheduler/virt-scheduler/test/quality/pack"
	"github.com/virt-scheduler/virt-scheduler/test/quality/trace"
)

// Caps bound what guests may see of a host, beside what their pods request; 0 is no bound.
type Caps struct {
	// VCPUPercent is vCPUs per 100 CPUs, GuestMemoryPercent guest memory per 100 of the host's.
	VCPUPercent        int64 `json:"vcpuPercent,omitempty"`
	GuestMemoryPercent int64 `json:"guestMemoryPercent,omitempty"`
}

// Offline is what could be done by one who knows all VMs beforehand, under the capacity that schedulers have.
type Offline struct {
	// FirstFitDecreasing is the number of hosts that the best variant of first-fit-decreasing uses, Left the number of VMs
	// for which it finds no host.
	FirstFitDecreasing int    `json:"firstFitDecreasing"`
	Left               int    `json:"left"`
	Order              string `json:"order"`
	// LowerBound is the number of hosts below which nobody can go.
	LowerBound int  `json:"lowerBound"`
	Caps       Caps `json:"caps"`
}

// PackOffline packs the VMs that are present into the hosts: CPU, memory, huge pages and pods as pods request them and
// NodeResourcesFit enforces them, the labels that pods select, and the caps.
func PackOffline(t *trace.Trace, present []bool, caps Caps) Offline {
	classes, ofClass := map[trace.VM]int{}, []trace.VM{}
	p := pack.Problem{Dimensions: dimensions}
	for _, h := range t.Hosts {
		p.Bins = append(p.Bins, room(h, caps))
	}
	for i, vm := range t.VMs {
		if !present[i] {
			continue
		}
		// What a host takes does not depend on size or name.
		kind := trace.VM{CPUModel: vm.CPUModel, Flavour: trace.Flavour{HugePages: vm.Flavour.HugePages, Dedicated: vm.Flavour.Dedicated}}
		class, ok := classes[kind]
		if !ok {
			class = len(ofClass)
			classes[kind], ofClass = class, append(ofClass, kind)
		}
		p.Items = append(p.Items, pack.Item{Need: need(t.Options, vm, caps), Class: class})
	}
	p.Takes = func(class, bin int) bool { return t.Hosts[bin].Admits(ofClass[class]) }
	packing := p.FirstFitDecreasing()
	return Offline{
		FirstFitDecreasing: packing.Used, Left: packing.Left, Order: packing.Order, LowerBound: p.LowerBound(), Caps: caps,
	}
}

// dimensions are what room and need speak of, in their order; with caps there are more.
var dimensions = []string{"requested CPU", "requested memory", "huge pages", "number of pods (the order of arrival)"}

func room(h trace.Host, caps Caps) []int64 {
	room := []int64{h.RoomCPU(), h.RoomMemory(), h.HugePages, h.RoomPods()}
	if caps.VCPUPercent > 0 {
		room = append(room, h.CPUs*caps.VCPUPercent/100)
	}
	if caps.GuestMemoryPercent > 0 {
		room = append(room, (h.RoomMemory()+h.HugePages)*caps.GuestMemoryPercent/100)
	}
	return room
}

func need(o trace.Options, vm trace.VM, caps Caps) []int64 {
	r := o.Requests(vm.Flavour)
	need := []int64{r.MilliCPU, r.Memory, r.HugePages, 1}
	if caps.VCPUPercent > 0 {
		need = append(need, vm.Flavour.VCPUs)
	}
	if caps.GuestMemoryPercent > 0 {
		need = append(need, vm.Flavour.Memory)
	}
	return need
}
