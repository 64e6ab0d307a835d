// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Launcher is a launcher pod that is placed on a host.
type Launcher struct {
	// Pod is the pod's UID.
	Pod types.UID
	// VM is the UID of the VirtualMachineInstance that the pod holds or is to receive.
	VM types.UID
	// MigrationTarget is true when the pod was made to receive the VM. It stays true after the migration is over, so
	// that on the next migration both pods have it.
	MigrationTarget bool
	// Created is the pod's creation time, to the second.
	Created time.Time
	// Ending is true when the pod is being deleted.
	Ending bool
}

// Home returns the pod at which a VM is counted, of all the launchers that it has; launchers must not be empty.
// A VM counts once. While it migrates that is at the target, where it will be: the newest target that is not being
// deleted. A target that goes away, as after an aborted migration, gives the VM back to its source.
func Home(launchers []Launcher) types.UID {
	return slices.MaxFunc(launchers, func(a, b Launcher) int {
		return cmp.Or(
			-compareBool(a.Ending, b.Ending),
			compareBool(a.MigrationTarget, b.MigrationTarget),
			a.Created.Compare(b.Created),
			cmp.Compare(a.Pod, b.Pod), // creation times are whole seconds; any order will do, if it is one
		)
	}).Pod
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
