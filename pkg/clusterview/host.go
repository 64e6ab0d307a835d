// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Host is what the view knows of one host. It is never changed once it was handed out.
type Host struct {
	// Name is the node's.
	Name string
	// Class is the group of hosts with the same labels, as far as selection looks at labels; NoClass when it is not known.
	Class ClassID
	// Here is the load of the guests of all launchers on the host that have not ended. A migrating VM counts on both of
	// its hosts. Filters ask for it.
	Here Load
	// Home is the load of the guests whose home (model.Home) the host is: each VM of the cluster counts once. Scores ask
	// for it.
	Home Load
	// Others is what pods that are no VMs request, without those that attach disks to VMs.
	Others Requests
	// Inbound and Outbound are the migrations under way to and from the host, of which both launchers are on hosts.
	Inbound, Outbound int
	// Failed is true while a NodeFailure of the host is open.
	Failed bool

	// generation of the NodeInfo that was read.
	generation int64
	// computed is true for a host that was computed from a NodeInfo that is not in the snapshot.
	computed  bool
	launchers []launcher
}

// Load is what some guests use of a host.
type Load struct {
	// VMs is how many they are.
	VMs int
	// SharedVCPUs is the number of vCPUs that share host CPUs, DedicatedVCPUs of those that own one each.
	SharedVCPUs, DedicatedVCPUs int64
	// Memory is guest memory.
	Memory Memory
}

// Guests is the load as pkg/decide takes it, with the memory in pages of one size.
func (l Load) Guests(pageSize int64) model.Guests {
	return model.Guests{SharedVCPUs: l.SharedVCPUs, DedicatedVCPUs: l.DedicatedVCPUs, Memory: l.Memory.In(pageSize)}
}

func (l *Load) add(size model.Size) {
	sum := l.Guests(size.PageSize).Plus(size, size.PageSize)
	l.VMs++
	l.SharedVCPUs, l.DedicatedVCPUs = sum.SharedVCPUs, sum.DedicatedVCPUs
	l.Memory.set(size.PageSize, sum.Memory)
}

// Requests is what some pods request.
type Requests struct {
	// MilliCPU is in thousandths of a CPU.
	MilliCPU int64
	// Memory is ordinary memory and huge pages.
	Memory Memory
}

// Memory is an amount of memory by page size, in ascending order of page sizes. Amounts of nothing are not listed.
type Memory []Pages

// Pages is an amount of memory in pages of one size.
type Pages struct {
	// Size of a page in bytes, or model.OrdinaryMemory.
	Size int64
	// Bytes is the amount.
	Bytes int64
}

// In returns the bytes in pages of one size.
func (m Memory) In(pageSize int64) int64 {
	for _, pages := range m {
		if pages.Size == pageSize {
			return pages.Bytes
		}
	}
	return 0
}

func (m *Memory) set(pageSize, bytes int64) {
	if bytes == 0 {
		return // amounts only grow here
	}
	i := 0
	for i < len(*m) && (*m)[i].Size < pageSize {
		i++
	}
	if i < len(*m) && (*m)[i].Size == pageSize {
		(*m)[i].Bytes = bytes
		return
	}
	*m = slices.Insert(*m, i, Pages{Size: pageSize, Bytes: bytes})
}

func (m *Memory) add(pageSize, bytes int64) { m.set(pageSize, saturate(m.In(pageSize), bytes)) }

// saturate adds, up to the greatest int64; a negative amount counts as nothing.
func saturate(a, b int64) int64 {
	b = max(b, 0)
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// sum computes from the launchers what the host says of guests.
func (h *Host) sum() {
	h.Here, h.Home, h.Inbound, h.Outbound = Load{}, Load{}, 0, 0
	for i := range h.launchers {
		l := &h.launchers[i]
		size := l.size()
		h.Here.add(size)
		if l.is(home) {
			h.Home.add(size)
		}
		if l.is(inbound) {
			h.Inbound++
		}
		if l.is(outbound) {
			h.Outbound++
		}
	}
}

// without returns the host as it would be without the launchers of one VM: itself when it has none.
func (h *Host) without(vm types.UID) *Host {
	of := func(l launcher) bool { return l.vm == vm }
	if !slices.ContainsFunc(h.launchers, of) {
		return h
	}
	rest := *h
	rest.launchers = slices.DeleteFunc(slices.Clone(h.launchers), of)
	rest.sum()
	return &rest
}
