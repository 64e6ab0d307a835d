// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"errors"
	"slices"

	kubevirtv1 "kubevirt.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Due is what must have become of a VM after a node died.
type Due string

// What may be due.
const (
	// Restarted: Always and RerunOnFailure on the dead node run elsewhere, as a new VMI.
	Restarted Due = "restarted elsewhere"
	// LeftFailed: Manual and Once on the dead node keep their VMI, Failed, and no guest.
	LeftFailed Due = "left failed"
	// LeftOff: Halted had no VMI before and has none after.
	LeftOff Due = "left off"
	// Undisturbed: a VM of another node is the same VMI on the same node, without a break.
	Undisturbed Due = "undisturbed"
)

// DueOf derives from a VM's runStrategy, and from where it ran before, what is due when dead loses its power.
func DueOf(strategy kubevirtv1.VirtualMachineRunStrategy, before Sight, dead string) Due {
	switch {
	case strategy == kubevirtv1.RunStrategyHalted:
		return LeftOff
	case before.Node != dead:
		return Undisturbed
	case strategy == kubevirtv1.RunStrategyAlways, strategy == kubevirtv1.RunStrategyRerunOnFailure:
		return Restarted
	default: // Manual, Once
		return LeftFailed
	}
}

// recorded is how the failure-watcher must have written the same.
func (d Due) recorded() failurev1alpha1.VMDue {
	switch d {
	case Restarted:
		return failurev1alpha1.DueRestart
	case LeftFailed:
		return failurev1alpha1.DueStayFailed
	case LeftOff, Undisturbed:
		// Neither has a launcher pod on the dead node, so neither is in the record.
	}
	return ""
}

// PickVictim returns the node whose death tells most: with VMs that must come back and VMs that must not, then with both a
// volume that must move and a VM without one, then with the most runStrategies and VMs.
func PickVictim(v View) (string, error) {
	best, score := "", []int{}
	for _, load := range v.Loads() { // by name, so that equals are decided the same way each time
		if got := worth(v.On(load.Name)); got != nil && slices.Compare(got, score) > 0 {
			best, score = load.Name, got
		}
	}
	if best == "" {
		return "", errors.New("no node holds both a VM that must restart (Always, RerunOnFailure) and one that must not" +
			" (Manual, Once); take more --vms or fewer --nodes")
	}
	return best, nil
}

func worth(vms []Sight) []int {
	var back, stay, disk int // disk: VMs of back that have one
	strategies := map[kubevirtv1.VirtualMachineRunStrategy]bool{}
	for _, s := range vms {
		strategies[s.RunStrategy] = true
		switch DueOf(s.RunStrategy, s, s.Node) {
		case Restarted:
			back++
			if s.Disk {
				disk++
			}
		case LeftFailed:
			stay++
		case LeftOff, Undisturbed:
		}
	}
	if back == 0 || stay == 0 {
		return nil
	}
	return []int{min(disk, 1), min(back-disk, 1), len(strategies), len(vms)}
}
