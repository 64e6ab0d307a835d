// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

func options() Options {
	return Options{Hosts: 200, VMs: 4000, Churn: 2000, Seed: 1, CPUOvercommit: 10, MemoryOvercommit: 100, ServicePercent: 50}
}

func newTrace(tb testing.TB, o Options) *Trace {
	tb.Helper()
	t, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestTheSameOptionsGiveTheSameTrace(t *testing.T) {
	if diff := cmp.Diff(newTrace(t, options()), newTrace(t, options())); diff != "" {
		t.Errorf("two traces of the same options differ:\n%s", diff)
	}
	other := options()
	other.Seed = 2
	if cmp.Equal(newTrace(t, options()).VMs, newTrace(t, other).VMs) {
		t.Error("another seed gives the same VMs")
	}
}

func TestFlavoursHaveTheirShares(t *testing.T) {
	tr := newTrace(t, options())
	got := map[string]int{}
	for _, vm := range tr.VMs[:tr.Options.VMs] {
		got[vm.Flavour.Name]++
	}
	for _, f := range Flavours() {
		// The last group of a flavour may overshoot by its size.
		if want := f.PerMille * tr.Options.VMs / 1000; got[f.Name] < want-50 || got[f.Name] > want+50 {
			t.Errorf("%d VMs of flavour %s, want %d ± 50", got[f.Name], f.Name, want)
		}
	}
}

// In the second part as many go as come, and nobody goes before he came.
func TestChurnIsInBalance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := options()
		o.Seed = rapid.Uint64().Draw(rt, "seed")
		tr := newTrace(t, o)
		present := tr.Present(false)
		last, leave := time.Duration(0), 0
		for _, e := range tr.Events {
			if e.At < last {
				rt.Fatalf("event at %s after one at %s", e.At, last)
			}
			last = e.At
			if present[e.VM] == !e.Leaves {
				rt.Fatalf("VM %d leaves=%t, but its presence is %t", e.VM, e.Leaves, present[e.VM])
			}
			present[e.VM] = !e.Leaves
			if e.Leaves {
				leave++
			}
		}
		if math.Abs(float64(leave-o.Churn)) > 0.25*float64(o.Churn) {
			rt.Errorf("%d leave while %d come, want about as many", leave, o.Churn)
		}
		if diff := cmp.Diff(present, tr.Present(true)); diff != "" {
			rt.Errorf("Present(true) differs from what the events say:\n%s", diff)
		}
	})
}

func TestRequestsAreKubeVirts(t *testing.T) {
	tests := map[string]struct {
		flavour string
		options Options
		want    Requests
	}{
		// 220 MiB, 2 x 8, 8 and 32 beside the guest's 8 GiB.
		"shared, 10:1":     {"u1.large", Options{CPUOvercommit: 10, MemoryOvercommit: 100}, Requests{MilliCPU: 200, Memory: 8*gib + 276*mib}},
		"shared, 1:1":      {"u1.large", Options{CPUOvercommit: 1, MemoryOvercommit: 100}, Requests{MilliCPU: 2000, Memory: 8*gib + 276*mib}},
		"memory 2:1":       {"u1.large", Options{CPUOvercommit: 10, MemoryOvercommit: 200}, Requests{MilliCPU: 200, Memory: 4*gib + 276*mib}},
		"huge pages":       {"m1.large", Options{CPUOvercommit: 10, MemoryOvercommit: 100}, Requests{MilliCPU: 200, Memory: 276 * mib, HugePages: 16 * gib}},
		"dedicated":        {"d1.large", Options{CPUOvercommit: 10, MemoryOvercommit: 100}, Requests{MilliCPU: 3000, Memory: 8*gib + 376*mib}},
		"dedicated, pages": {"cx1.large", Options{CPUOvercommit: 10, MemoryOvercommit: 100}, Requests{MilliCPU: 3000, Memory: 376 * mib, HugePages: 4 * gib}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, f := range Flavours() {
				if f.Name != tc.flavour {
					continue
				}
				if diff := cmp.Diff(tc.want, tc.options.Requests(f)); diff != "" {
					t.Errorf("Requests(%s) (-want +got):\n%s", f.Name, diff)
				}
				return
			}
			t.Fatalf("no flavour %s", tc.flavour)
		})
	}
}

// The product sees in a launcher pod what the trace means by it: the trace and pkg/adapt read KubeVirt independently.
func TestLaunchersAreVMsToTheProduct(t *testing.T) {
	tr := newTrace(t, options())
	for i, vm := range tr.VMs[:200] {
		pod := tr.Launcher(i, "x")
		uid, ok := adapt.VMOf(pod)
		if !ok || uid != VMIUID(i) {
			t.Fatalf("VMOf(launcher of VM %d) = %s, %t", i, uid, ok)
		}
		want := model.Size{VCPUs: vm.Flavour.VCPUs, DedicatedCPUs: vm.Flavour.Dedicated}
		if vm.Flavour.Dedicated {
			want.VCPUs++ // the emulator's CPU can't be told from the guest's in a pod alone
		}
		if vm.Flavour.HugePages {
			want.PageSize = hugePage
		}
		got := adapt.SizeFromPod(pod, tr.Options.CPUOvercommit)
		if d := math.Abs(float64(got.Memory-vm.Flavour.Memory)) / float64(vm.Flavour.Memory); d > 0.15 {
			t.Errorf("%s: memory %d guessed from the pod, want %d within 15 %%", vm.Flavour.Name, got.Memory, vm.Flavour.Memory)
		}
		got.Memory = 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: size guessed from the pod (-want +got):\n%s", vm.Flavour.Name, diff)
		}
	}
}

func TestHostsHaveRoomForTheTrace(t *testing.T) {
	tr := newTrace(t, options())
	var need, room Requests
	for _, vm := range tr.VMs[:tr.Options.VMs] {
		r := tr.Options.Requests(vm.Flavour)
		need.MilliCPU, need.Memory, need.HugePages = need.MilliCPU+r.MilliCPU, need.Memory+r.Memory, need.HugePages+r.HugePages
	}
	for _, h := range tr.Hosts {
		allocatable := h.Node(time.Unix(0, 0)).Status.Allocatable
		memory := allocatable[corev1.ResourceMemory]
		if memory.Value()-daemonMemory != h.RoomMemory() {
			t.Errorf("%s: room for %d bytes, its node says %d", h.Name, h.RoomMemory(), memory.Value()-daemonMemory)
		}
		room.MilliCPU, room.Memory, room.HugePages = room.MilliCPU+h.RoomCPU(), room.Memory+h.RoomMemory(), room.HugePages+h.HugePages
	}
	for name, part := range map[string]float64{
		"CPU":        float64(need.MilliCPU) / float64(room.MilliCPU),
		"memory":     float64(need.Memory) / float64(room.Memory),
		"huge pages": float64(need.HugePages) / float64(room.HugePages),
	} {
		if part < 0.1 || part > 0.8 {
			t.Errorf("VMs request %.0f %% of all %s, want 10 to 80: a cluster with something to decide", 100*part, name)
		}
	}
}

func TestMigrationTargets(t *testing.T) {
	host := func(name string, g Generation) Host { return Host{Name: name, Generation: g} }
	cascade, ice, milan := generations[0].Generation, generations[1].Generation, generations[3].Generation
	tests := map[string]struct {
		vm       VM
		from, to Host
		want     bool
	}{
		"itself":               {VM{}, host("a", ice), host("a", ice), false},
		"same generation":      {VM{}, host("a", ice), host("b", ice), true},
		"to a newer one":       {VM{}, host("a", cascade), host("b", ice), true},
		"to an older one":      {VM{}, host("a", ice), host("b", cascade), false},
		"to another vendor":    {VM{}, host("a", cascade), host("b", milan), false},
		"named model":          {VM{CPUModel: namedModel}, host("a", ice), host("b", cascade), true},
		"named model, not had": {VM{CPUModel: namedModel}, host("a", ice), host("b", milan), false},
		"no CPU manager":       {VM{Flavour: Flavour{Dedicated: true}}, host("a", ice), host("b", ice), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.to.Receives(tc.vm, tc.from); got != tc.want {
				t.Errorf("Receives() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestValidateReportsEverything(t *testing.T) {
	err := Options{Hosts: 1, ServicePercent: 101}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	var joined interface{ Unwrap() []error }
	var ok bool
	if joined, ok = err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 5 {
		t.Errorf("Validate() = %v, want 5 errors", err)
	}
}
