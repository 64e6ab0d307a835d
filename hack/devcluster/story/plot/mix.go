// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"math/rand/v2"
	"strings"

	kubevirtv1 "kubevirt.io/api/core/v1"
)

// VM is one VirtualMachine of the story, as it is asked for.
type VM struct {
	Name             string                               `json:"name"`
	RunStrategy      kubevirtv1.VirtualMachineRunStrategy `json:"runStrategy"`
	EvictionStrategy kubevirtv1.EvictionStrategy          `json:"evictionStrategy,omitempty"`
	Sockets          uint32                               `json:"sockets"`
	Cores            uint32                               `json:"cores"`
	Threads          uint32                               `json:"threads"`
	// MemoryGiB is what the guest sees, 1 to 16 GiB.
	MemoryGiB int64 `json:"memoryGiB"`
	// Disk is true for a VM with a ReadWriteOnce volume.
	Disk bool `json:"disk,omitempty"`
}

// VCPUs is the number of processors that the guest sees.
func (v VM) VCPUs() int64 { return int64(v.Sockets) * int64(v.Cores) * int64(v.Threads) }

// Runs says whether the VM is to run before the failure; a Manual one runs because the story starts it.
func (v VM) Runs() bool { return v.RunStrategy != kubevirtv1.RunStrategyHalted }

type weighted[T any] struct {
	value  T
	weight int
}

// runStrategies add up to 24, so that a story of the default size has exactly these numbers.
var runStrategies = []weighted[kubevirtv1.VirtualMachineRunStrategy]{
	{kubevirtv1.RunStrategyAlways, 9},
	{kubevirtv1.RunStrategyRerunOnFailure, 6},
	{kubevirtv1.RunStrategyManual, 4},
	{kubevirtv1.RunStrategyOnce, 3},
	{kubevirtv1.RunStrategyHalted, 2},
}

var evictionStrategies = []weighted[kubevirtv1.EvictionStrategy]{
	{kubevirtv1.EvictionStrategyLiveMigrate, 4},
	{kubevirtv1.EvictionStrategyLiveMigrateIfPossible, 2},
	{kubevirtv1.EvictionStrategyNone, 2},
	{kubevirtv1.EvictionStrategyExternal, 1},
	{"", 1}, // unset: the cluster's default
}

// shape is a size of guest.
type shape struct {
	sockets, cores, threads uint32
	memoryGiB               int64
}

var shapes = []weighted[shape]{
	{shape{1, 1, 1, 1}, 3},
	{shape{1, 1, 1, 2}, 2},
	{shape{1, 2, 1, 2}, 4},
	{shape{1, 2, 1, 4}, 4},
	{shape{2, 2, 1, 4}, 2},
	{shape{1, 4, 1, 8}, 4},
	{shape{1, 2, 2, 16}, 1}, // few processors, much memory
	{shape{2, 4, 1, 8}, 1},  // the other way round
	{shape{2, 2, 2, 16}, 3},
}

// diskEvery gives each fourth VM of a runStrategy a volume.
const diskEvery = 4

// Mix returns n VMs; the same n, seed and disks always give the same. RunStrategies come in their proportions over every
// stretch of the list, so that a few neighbours already differ.
func Mix(n int, seed uint64, disks bool) []VM {
	rng := rand.New(rand.NewPCG(seed, seed))
	deal := newDealer(runStrategies)
	ofStrategy := map[kubevirtv1.VirtualMachineRunStrategy]int{}
	vms := make([]VM, 0, n)
	width := len(fmt.Sprint(n))
	for i := range n {
		strategy := deal.next()
		size := pick(rng, shapes)
		vm := VM{
			Name:             fmt.Sprintf("%s-%0*d", strings.ToLower(string(strategy)), width, i+1),
			RunStrategy:      strategy,
			EvictionStrategy: pick(rng, evictionStrategies),
			Sockets:          size.sockets, Cores: size.cores, Threads: size.threads,
			MemoryGiB: size.memoryGiB,
		}
		if disks && ofStrategy[strategy]%diskEvery == 1 {
			vm.Disk = true
			// A ReadWriteOnce disk can't be in two places, as a live migration needs.
			if vm.EvictionStrategy == kubevirtv1.EvictionStrategyLiveMigrate {
				vm.EvictionStrategy = kubevirtv1.EvictionStrategyLiveMigrateIfPossible
			}
		}
		ofStrategy[strategy]++
		vms = append(vms, vm)
	}
	return vms
}

func pick[T any](rng *rand.Rand, from []weighted[T]) T {
	total := 0
	for _, w := range from {
		total += w.weight
	}
	at := rng.IntN(total)
	for _, w := range from {
		if at -= w.weight; at < 0 {
			return w.value
		}
	}
	panic("unreachable: the weights add up to total")
}

// dealer deals values in proportion to their weights, evenly spread (smooth weighted round robin).
type dealer[T any] struct {
	from   []weighted[T]
	credit []int
	total  int
}

func newDealer[T any](from []weighted[T]) *dealer[T] {
	d := &dealer[T]{from: from, credit: make([]int, len(from))}
	for _, w := range from {
		d.total += w.weight
	}
	return d
}

func (d *dealer[T]) next() T {
	best := 0
	for i, w := range d.from {
		d.credit[i] += w.weight
		if d.credit[i] > d.credit[best] {
			best = i
		}
	}
	d.credit[best] -= d.total
	return d.from[best].value
}
