// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"pgregory.net/rapid"
)

func TestMixOfTheDefaultSize(t *testing.T) {
	got := map[kubevirtv1.VirtualMachineRunStrategy]int{}
	disks := map[kubevirtv1.VirtualMachineRunStrategy]int{}
	evictions := map[kubevirtv1.EvictionStrategy]int{}
	for _, vm := range Mix(24, 1, true) {
		got[vm.RunStrategy]++
		evictions[vm.EvictionStrategy]++
		if vm.Disk {
			disks[vm.RunStrategy]++
		}
	}
	want := map[kubevirtv1.VirtualMachineRunStrategy]int{
		kubevirtv1.RunStrategyAlways: 9, kubevirtv1.RunStrategyRerunOnFailure: 6, kubevirtv1.RunStrategyManual: 4,
		kubevirtv1.RunStrategyOnce: 3, kubevirtv1.RunStrategyHalted: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runStrategies (-want +got):\n%s", diff)
	}
	for strategy := range want {
		if disks[strategy] == 0 {
			t.Errorf("no VM with runStrategy %s has a disk", strategy)
		}
	}
	if len(evictions) < 4 {
		t.Errorf("evictionStrategies = %v, want a mix of at least 4", evictions)
	}
}

func TestMixIsDeterministic(t *testing.T) {
	if diff := cmp.Diff(Mix(100, 7, true), Mix(100, 7, true)); diff != "" {
		t.Errorf("same seed, other VMs:\n%s", diff)
	}
	if cmp.Equal(Mix(100, 7, true), Mix(100, 8, true)) {
		t.Error("another seed gives the same VMs")
	}
}

func TestMixKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(rt, "n")
		disks := rapid.Bool().Draw(rt, "disks")
		vms := Mix(n, rapid.Uint64().Draw(rt, "seed"), disks)
		if len(vms) != n {
			rt.Fatalf("Mix(%d) has %d VMs", n, len(vms))
		}
		names := map[string]bool{}
		for _, vm := range vms {
			if names[vm.Name] {
				rt.Fatalf("name %s is used twice", vm.Name)
			}
			names[vm.Name] = true
			if vm.VCPUs() < 1 || vm.VCPUs() > 8 || vm.MemoryGiB < 1 || vm.MemoryGiB > 16 {
				rt.Fatalf("%s has %d vCPUs and %d GiB, want 1 to 8 and 1 to 16", vm.Name, vm.VCPUs(), vm.MemoryGiB)
			}
			if vm.Disk && (!disks || vm.EvictionStrategy == kubevirtv1.EvictionStrategyLiveMigrate) {
				rt.Fatalf("%s has a disk that can't be: %+v", vm.Name, vm)
			}
		}
	})
}

func TestSizeHostsFitsWithOneNodeDead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		nodes := rapid.IntRange(2, 60).Draw(rt, "nodes")
		vms := Mix(rapid.IntRange(1, 300).Draw(rt, "vms"), 1, true)
		size := SizeHosts(vms, nodes)
		var cpus, gib int64
		for _, vm := range vms {
			cpus += vm.VCPUs()
			gib += vm.MemoryGiB
			if 2*vm.VCPUs() > int64(size.CPUs) || 2*vm.MemoryGiB > int64(size.MemoryGiB) {
				rt.Fatalf("%+v is too large for half of a host of %+v", vm, size)
			}
		}
		left := int64(nodes - 1)
		if cpus*100 > left*int64(size.CPUs)*fullPercent || gib*100 > left*int64(size.MemoryGiB)*fullPercent {
			rt.Fatalf("%d vCPUs and %d GiB fill %d hosts of %+v beyond %d%%", cpus, gib, left, size, fullPercent)
		}
	})
}

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		nodes, zones, vms int
		want              string // part of the error, empty for none
	}{
		"default":             {nodes: 6, zones: 3, vms: 24},
		"large":               {nodes: 50, zones: 3, vms: 500},
		"one node":            {nodes: 1, zones: 1, vms: 3, want: "--nodes 1"},
		"more zones":          {nodes: 3, zones: 4, vms: 3, want: "--zones 4"},
		"no zone":             {nodes: 3, zones: 0, vms: 3, want: "--zones 0"},
		"no VM":               {nodes: 3, zones: 1, vms: 0, want: "--vms 0"},
		"more VMs than pods":  {nodes: 3, zones: 1, vms: 161, want: "at most 160"},
		"as many as there is": {nodes: 3, zones: 1, vms: 160},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := Validate(tc.nodes, tc.zones, tc.vms)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("Validate() = %v, want no error", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("Validate() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestObjectIsWhatViewReads(t *testing.T) {
	for _, vm := range Mix(48, 3, true) {
		object := vm.Object("story")
		got := ViewOf([]kubevirtv1.VirtualMachine{*object}, nil, nil, nil).VMs[vm.Name]
		want := Sight{
			Name: vm.Name, RunStrategy: vm.RunStrategy, EvictionStrategy: vm.EvictionStrategy,
			VCPUs: vm.VCPUs(), MemoryMiB: vm.MemoryGiB * 1024, Disk: vm.Disk,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("view of %s (-want +got):\n%s", vm.Name, diff)
		}
		if got := object.Spec.Template.Spec.SchedulerName; got != SchedulerName {
			t.Errorf("%s: schedulerName %q, want %q", vm.Name, got, SchedulerName)
		}
		claim := vm.Claim("story", "sc")
		if (claim != nil) != vm.Disk {
			t.Errorf("%s: disk %v, claim %v", vm.Name, vm.Disk, claim)
		}
		if claim != nil {
			modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
			if diff := cmp.Diff(modes, claim.Spec.AccessModes); diff != "" || claim.Name != vm.Name {
				t.Errorf("%s: claim %s, access modes (-want +got):\n%s", vm.Name, claim.Name, diff)
			}
		}
	}
}
