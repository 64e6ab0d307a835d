// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Options say which trace to make.
type Options struct {
	// Hosts and VMs are how many there are, VMs being the number that has arrived when the first part is over.
	Hosts, VMs int
	// Churn is the number of VMs that arrive in the second part, while others leave.
	Churn int
	Seed  uint64
	// CPUOvercommit is KubeVirt's cpuAllocationRatio: vCPUs per requested CPU, 1 to 100.
	CPUOvercommit int64
	// MemoryOvercommit is KubeVirt's memoryOvercommit: guest memory in percent of the requested, 100 to 1000.
	MemoryOvercommit int64
	// ServicePercent of the groups with two VMs or more are selected by a Service, 0 to 100.
	ServicePercent int
}

// Validate reports everything that is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Hosts >= 10 && o.Hosts <= 5000, "hosts: %d, want 10 to 5000 (fewer cannot have every kind of host)", o.Hosts)
	check(o.VMs >= 1 && o.VMs <= 200_000, "VMs: %d, want 1 to 200000", o.VMs)
	check(o.Churn >= 0 && o.Churn <= 1_000_000, "churn: %d, want 0 to 1000000", o.Churn)
	check(o.CPUOvercommit >= 1 && o.CPUOvercommit <= 100, "CPU overcommit: %d, want 1 to 100", o.CPUOvercommit)
	check(o.MemoryOvercommit >= 100 && o.MemoryOvercommit <= 1000, "memory overcommit: %d %%, want 100 to 1000", o.MemoryOvercommit)
	check(o.ServicePercent >= 0 && o.ServicePercent <= 100, "share of groups with a service: %d %%, want 0 to 100", o.ServicePercent)
	return errors.Join(errs...)
}

// VM is one virtual machine of the trace.
type VM struct {
	Name    string
	Flavour Flavour
	// Group names the VMs that were deployed together: same flavour, one after the other.
	Group string
	// Service is true when a Service selects the group's VMs.
	Service bool
	// CPUModel is a named model, or "" for host-model, KubeVirt's default.
	CPUModel string
}

// Event is that a VM comes or goes.
type Event struct {
	// At is the time since the end of the first part.
	At time.Duration
	// VM is an index into Trace.VMs.
	VM int
	// Leaves is true when the VM goes.
	Leaves bool
}

// Trace is a workload.
type Trace struct {
	Options Options
	Hosts   []Host
	// VMs: the first Options.VMs of them arrive one after the other in the first part, the rest in the second.
	VMs []VM
	// Events of the second part, in order.
	Events []Event
}

// What the source does not say; see the README of test/quality.
const (
	namedModel        = "Cascadelake-Server"
	namedModelPercent = 20
)

// New makes the trace.
func New(o Options) (*Trace, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	// One generator for each part, so that changing one thing leaves the others as they were.
	stream := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(o.Seed, n)) }
	t := &Trace{Options: o, Hosts: makeHosts(o.Hosts, stream(1))}
	t.arrive(o.VMs, stream(2))
	t.arrive(o.Churn, stream(3))
	t.churn(stream(4))
	return t, nil
}

// arrive adds n VMs, in groups, each flavour having its share of the n.
func (t *Trace) arrive(n int, rng *rand.Rand) {
	largest := max(n/20, 1) // a small cluster is not given to one customer
	flavours := Flavours()
	left := make([]float64, len(flavours))
	for i, f := range flavours {
		left[i] = float64(f.PerMille*n) / 1000
	}
	for end := len(t.VMs) + n; len(t.VMs) < end; {
		size := min(groupSize(rng), largest, end-len(t.VMs))
		f := draw(left, rng)
		left[f] -= float64(size)
		group := fmt.Sprintf("g%05d", len(t.VMs))
		vm := VM{Flavour: flavours[f], Group: group, Service: size > 1 && rng.IntN(100) < t.Options.ServicePercent}
		if rng.IntN(100) < namedModelPercent {
			vm.CPUModel = namedModel
		}
		for i := range size {
			vm.Name = fmt.Sprintf("%s-%d", group, i)
			t.VMs = append(t.VMs, vm)
		}
	}
}

// draw picks an index with a probability in proportion to what is left of its share.
func draw(left []float64, rng *rand.Rand) int {
	total, last := 0.0, 0
	for i, l := range left {
		if l > 0 {
			total += l
			last = i
		}
	}
	at := rng.Float64() * total
	for i, l := range left {
		if l <= 0 {
			continue
		}
		if at -= l; at < 0 {
			return i
		}
	}
	return last // rounding
}

// churn makes the events of the second part: a process in balance, in which as many come as go on average.
func (t *Trace) churn(rng *rand.Rand) {
	o := t.Options
	if o.Churn == 0 {
		return
	}
	life := newLifetimes()
	between := life.mean() / float64(o.VMs) // hours from one arrival to the next
	now, events := 0.0, make([]Event, 0, 2*o.Churn)
	for i := o.VMs; i < len(t.VMs); {
		group := i
		for i < len(t.VMs) && t.VMs[i].Group == t.VMs[group].Group {
			events = append(events, Event{At: hours(now), VM: i}, Event{At: hours(now + life.draw(rng)), VM: i, Leaves: true})
			i++
		}
		now += between * float64(i-group) * rng.ExpFloat64()
	}
	for i := range o.VMs {
		events = append(events, Event{At: hours(life.rest(rng)), VM: i, Leaves: true})
	}
	end := hours(now)
	events = slices.DeleteFunc(events, func(e Event) bool { return e.At > end })
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	t.Events = events
}

func hours(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }

// Present returns which VMs the trace has after the first part, and after the second if ended is true.
func (t *Trace) Present(ended bool) []bool {
	present := make([]bool, len(t.VMs))
	for i := range t.Options.VMs {
		present[i] = true
	}
	if ended {
		for _, e := range t.Events {
			present[e.VM] = !e.Leaves
		}
	}
	return present
}
