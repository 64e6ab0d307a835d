// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

func TestMake(t *testing.T) {
	layout := Layout{Nodes: 300, Zones: 3, Spares: 2, VCPUs: 16, MemoryGiB: 64}
	machines := Make(layout)
	if err := (simhost.File{Hosts: machines}).Validate(); err != nil {
		t.Fatalf("machines are not valid: %v", err)
	}
	if diff := cmp.Diff(machines, Make(layout)); diff != "" {
		t.Errorf("the same layout made other machines (-first +second):\n%s", diff)
	}
	zones, spares := map[string]int{}, 0
	for _, machine := range machines {
		if machine.Spare {
			spares++
			continue
		}
		zones[machine.Zone]++
	}
	if diff := cmp.Diff(map[string]int{"zone-1": 100, "zone-2": 100, "zone-3": 100}, zones); diff != "" {
		t.Errorf("nodes per zone (-want +got):\n%s", diff)
	}
	if spares != 2 {
		t.Errorf("%d spares, want 2", spares)
	}
}

func TestLayoutValidate(t *testing.T) {
	good := Layout{Nodes: 6, Zones: 3, Spares: 0, VCPUs: 16, MemoryGiB: 64}
	tests := map[string]struct {
		change  func(*Layout)
		wantErr bool
	}{
		"good":           {change: func(*Layout) {}},
		"no nodes":       {change: func(l *Layout) { l.Nodes = 0 }, wantErr: true},
		"no zones":       {change: func(l *Layout) { l.Zones = 0 }, wantErr: true},
		"an empty zone":  {change: func(l *Layout) { l.Zones = 7 }, wantErr: true},
		"minus 1 spares": {change: func(l *Layout) { l.Spares = -1 }, wantErr: true},
		"no memory":      {change: func(l *Layout) { l.MemoryGiB = 0 }, wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			layout := good
			tc.change(&layout)
			if err := layout.Validate(); (err != nil) != tc.wantErr {
				t.Errorf("Validate = %v, want error %v", err, tc.wantErr)
			}
		})
	}
}

func TestNode(t *testing.T) {
	machine := Make(Layout{Nodes: 1, Zones: 1, VCPUs: 16, MemoryGiB: 64})[0]
	node := Node(machine, 0, "v1.35.4")
	want := map[corev1.ResourceName]string{
		corev1.ResourceCPU:              "15900m",
		corev1.ResourceMemory:           "65024Mi",
		corev1.ResourcePods:             "250",
		"devices.kubevirt.io/kvm":       "1k",
		"devices.kubevirt.io/tun":       "1k",
		"devices.kubevirt.io/vhost-net": "1k",
	}
	for name, quantity := range want {
		got := node.Status.Allocatable[name]
		if got.String() != quantity {
			t.Errorf("allocatable %s = %s, want %s", name, got.String(), quantity)
		}
		capacity := node.Status.Capacity[name]
		if capacity.Cmp(got) < 0 {
			t.Errorf("capacity %s = %s is below allocatable %s", name, capacity.String(), got.String())
		}
	}
	info := node.Status.NodeInfo
	if info.SystemUUID != machine.SystemUUID || info.BootID != machine.InitialBootID {
		t.Errorf("node tells system %s, boot %s, want %s, %s", info.SystemUUID, info.BootID, machine.SystemUUID, machine.InitialBootID)
	}
	if got := node.Labels[corev1.LabelTopologyZone]; got != "zone-1" {
		t.Errorf("zone = %q, want zone-1", got)
	}
}

func TestAddressesDiffer(t *testing.T) {
	seen := map[string]int{}
	for i := range 5000 {
		address := address(i)
		if other, ok := seen[address]; ok {
			t.Fatalf("machines %d and %d have the same address %s", other, i, address)
		}
		seen[address] = i
	}
}
