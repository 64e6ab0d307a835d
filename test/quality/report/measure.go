// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"slices"

	"github.com/virt-scheduler/virt-scheduler/test/quality/drive"
	"github.com/virt-scheduler/virt-scheduler/test/quality/trace"
)

// Stage is the state of the cluster at one point of a run.
type Stage struct {
	// VMs that run, and the hosts that hold at least one.
	VMs       int `json:"vms"`
	HostsUsed int `json:"hostsUsed"`
	// Refused so far: VMs for which no host would do.
	Refused int `json:"refused"`
	// VCPU is guests' vCPUs over the host's CPUs, Memory guests' memory over the host's, huge pages included; per host.
	VCPU   Spread `json:"vcpuUtilization"`
	Memory Spread `json:"memoryUtilization"`
	// Migratability by labels alone, whether or not there is room.
	Migration Migration `json:"migration"`
}

// Spread is a distribution over all hosts, those without VMs among them. The unit is that of the values.
type Spread struct {
	Mean   float64 `json:"mean"`
	StdDev float64 `json:"stdDev"`
	Max    float64 `json:"max"`
	// Hosts are all values, least first.
	Hosts []float64 `json:"hosts,omitempty"`
}

// Migration is how many hosts, beside the own, could take the VMs.
type Migration struct {
	// Nowhere is the percentage of VMs that could go to no other host, Few that of VMs with less than three.
	Nowhere float64 `json:"nowherePercent"`
	Few     float64 `json:"fewPercent"`
	// Hosts is the mean number of other hosts.
	Hosts float64 `json:"hosts"`
}

// few is the number of targets from which on more are of no use: VMNodeSelection's default.
const few = 3

// Measure judges a placement: the host of each VM, as drive.Result has it.
func Measure(t *trace.Trace, at []int, refused int) Stage {
	vcpus, memory := make([]float64, len(t.Hosts)), make([]float64, len(t.Hosts))
	used := make([]bool, len(t.Hosts))
	s := Stage{Refused: refused}
	targets := newTargets(t)
	for vm, host := range at {
		if host == drive.Nowhere {
			continue
		}
		f := t.VMs[vm].Flavour
		vcpus[host] += float64(f.VCPUs) / float64(t.Hosts[host].CPUs)
		memory[host] += float64(f.Memory) / float64(t.Hosts[host].Memory)
		used[host] = true
		s.VMs++
		others := targets.of(t.VMs[vm], host)
		s.Migration.Hosts += float64(others)
		if others == 0 {
			s.Migration.Nowhere++
		}
		if others < few {
			s.Migration.Few++
		}
	}
	for _, u := range used {
		if u {
			s.HostsUsed++
		}
	}
	if s.VMs > 0 {
		n := float64(s.VMs)
		s.Migration = Migration{Nowhere: 100 * s.Migration.Nowhere / n, Few: 100 * s.Migration.Few / n, Hosts: s.Migration.Hosts / n}
	}
	s.VCPU, s.Memory = spread(vcpus), spread(memory)
	return s
}

func spread(values []float64) Spread {
	s := Spread{Hosts: slices.Sorted(slices.Values(values))}
	n := float64(len(values))
	if n == 0 {
		return s
	}
	for _, v := range values {
		s.Mean += v / n
		s.Max = max(s.Max, v)
	}
	for _, v := range values {
		s.StdDev += (v - s.Mean) * (v - s.Mean) / n
	}
	s.StdDev = math.Sqrt(s.StdDev)
	return s
}

// targets counts migration targets; VMs that ask for the same from the same host are counted once.
type targets struct {
	trace *trace.Trace
	known map[targetKey]int
}

type targetKey struct {
	host                 int
	model                string
	hugePages, dedicated bool
}

func newTargets(t *trace.Trace) targets { return targets{trace: t, known: map[targetKey]int{}} }

func (ts targets) of(vm trace.VM, host int) int {
	key := targetKey{host: host, model: vm.CPUModel, hugePages: vm.Flavour.HugePages, dedicated: vm.Flavour.Dedicated}
	if n, ok := ts.known[key]; ok {
		return n
	}
	n := 0
	for _, h := range ts.trace.Hosts {
		if h.Receives(vm, ts.trace.Hosts[host]) {
			n++
		}
	}
	ts.known[key] = n
	return n
}
