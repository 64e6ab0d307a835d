// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Host is one machine.
type Host struct {
	Name  string
	Class string
	Zone  string
	// CPUs is what the machine has.
	CPUs int64
	// Memory in bytes that the machine has, huge pages among it.
	Memory int64
	// HugePages in bytes that are set aside for huge pages of 2 MiB.
	HugePages int64
	// CPUManager is true when the kubelet gives dedicated CPUs away.
	CPUManager bool
	// Generation of the CPU.
	Generation Generation
}

// What a kubelet keeps for itself and the system, and what the pods of DaemonSets request on every host (virt-handler,
// network, storage, monitoring). Both are about what a small OpenShift node has.
const (
	reservedMilliCPU = 500
	reservedMemory   = 2 * gib
	daemonMilliCPU   = 500
	daemonMemory     = 2 * gib
	podsPerHost      = 250  // OpenShift's maxPods
	devicesPerHost   = 1000 // virt-handler's --max-devices
)

// RoomCPU is what launcher pods can request on the host, in thousandths of a CPU.
func (h Host) RoomCPU() int64 { return h.CPUs*1000 - reservedMilliCPU - daemonMilliCPU }

// RoomMemory is what launcher pods can request on the host in ordinary memory, in bytes.
func (h Host) RoomMemory() int64 { return h.Memory - h.HugePages - reservedMemory - daemonMemory }

// RoomPods is the number of launcher pods that the host takes.
func (h Host) RoomPods() int64 { return podsPerHost - 1 }

// class is a kind of machine; shares are percent of all hosts.
type class struct {
	name                         string
	cpus, memoryGiB, hugePageGiB int64
	cpuManager                   bool
	share                        int
}

// classes: dual-socket servers of three sizes with 6 to 8 GiB per CPU, which is what virtualisation hosts are bought with,
// as memory is not overcommitted. A third is set up for huge pages and dedicated CPUs. Our assumption: nobody publishes it.
var classes = []class{
	{name: "small", cpus: 32, memoryGiB: 192, share: 25},
	{name: "small-mem", cpus: 32, memoryGiB: 256, share: 15},
	{name: "medium", cpus: 64, memoryGiB: 384, share: 15},
	{name: "medium-rt", cpus: 64, memoryGiB: 512, hugePageGiB: 192, cpuManager: true, share: 25},
	{name: "large", cpus: 128, memoryGiB: 1024, share: 15},
	{name: "large-rt", cpus: 128, memoryGiB: 1024, hugePageGiB: 256, cpuManager: true, share: 5},
}

// Generation is a CPU model as KubeVirt's node-labeller names it.
type Generation struct {
	// Model is the host's own.
	Model  string
	Vendor string
	// Runs are the named models that guests can have here, the own one among them.
	Runs []string
	// Features that the host's model adds and a guest of that model needs elsewhere.
	Features []string
}

type generationShare struct {
	Generation
	share int // per mille
}

// generations: a fleet that was bought over some years, and one odd machine in two hundred, from which nothing with
// cpuModel host-model (KubeVirt's default) can be moved to the others: the trap of harvester#3015.
var generations = []generationShare{
	{Generation{"Cascadelake-Server", "Intel", []string{"Cascadelake-Server"}, []string{"md-clear"}}, 340},
	{Generation{"Icelake-Server", "Intel", []string{"Cascadelake-Server", "Icelake-Server"}, []string{"md-clear", "avx512ifma"}}, 345},
	{Generation{
		"SapphireRapids", "Intel",
		[]string{"Cascadelake-Server", "Icelake-Server", "SapphireRapids"},
		[]string{"md-clear", "avx512ifma", "amx-tile"},
	}, 200},
	{Generation{"EPYC-Milan", "AMD", []string{"EPYC-Milan"}, []string{"npt"}}, 110},
	{Generation{"EPYC-Genoa", "AMD", []string{"EPYC-Milan", "EPYC-Genoa"}, []string{"npt", "avx512ifma"}}, 5},
}

const zones = 3

// makeHosts deals classes and generations in their exact shares, in an order that the seed decides.
func makeHosts(n int, rng *rand.Rand) []Host {
	ofClass := deal(n, classes, func(c class) int { return c.share }, rng)
	ofGeneration := deal(n, generations, func(g generationShare) int { return g.share }, rng)
	hosts := make([]Host, n)
	for i := range hosts {
		c := ofClass[i]
		hosts[i] = Host{
			Name: fmt.Sprintf("host-%03d", i), Class: c.name, Zone: fmt.Sprintf("zone-%d", i%zones),
			CPUs: c.cpus, Memory: c.memoryGiB * gib, HugePages: c.hugePageGiB * gib, CPUManager: c.cpuManager,
			Generation: ofGeneration[i].Generation,
		}
	}
	return hosts
}

// deal returns n values of which each has its share, to within one, and shuffles them.
func deal[T any](n int, from []T, share func(T) int, rng *rand.Rand) []T {
	total := 0
	for _, v := range from {
		total += share(v)
	}
	dealt := make([]T, 0, n)
	sum := 0
	for _, v := range from {
		sum += share(v)
		for len(dealt) < n*sum/total {
			dealt = append(dealt, v)
		}
	}
	rng.Shuffle(n, func(i, j int) { dealt[i], dealt[j] = dealt[j], dealt[i] })
	return dealt
}

// Receives says whether a VM that runs on from could be live-migrated to h, by what labels say; room is not looked at.
// It is what KubeVirt's migration controller asks of a target: the VM's own selector, and for a guest with the host's
// model that model and the features that the source adds to it.
func (h Host) Receives(vm VM, from Host) bool {
	if h.Name == from.Name || !h.Admits(vm) {
		return false
	}
	if vm.CPUModel != "" {
		return true
	}
	return slices.Contains(h.Generation.Runs, from.Generation.Model) && containsAll(h.Generation.Features, from.Generation.Features)
}

// Admits says whether the VM may start on the host, by labels and by the kinds of resources that the host has at all.
func (h Host) Admits(vm VM) bool {
	switch {
	case vm.Flavour.Dedicated && !h.CPUManager, vm.Flavour.HugePages && h.HugePages == 0:
		return false
	case vm.CPUModel != "":
		return slices.Contains(h.Generation.Runs, vm.CPUModel)
	default:
		return true
	}
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
