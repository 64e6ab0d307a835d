// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "k8s.io/apimachinery/pkg/types"

// Eviction is how a VM wants its eviction to be answered; the values are KubeVirt's.
type Eviction string

// The eviction strategies of KubeVirt. An empty one means that the cluster's default holds.
const (
	EvictionUnset                 Eviction = ""
	EvictionNone                  Eviction = "None"
	EvictionLiveMigrate           Eviction = "LiveMigrate"
	EvictionLiveMigrateIfPossible Eviction = "LiveMigrateIfPossible"
	EvictionExternal              Eviction = "External"
)

// Move is what is known of a VM's last or present live migration.
type Move struct {
	// Migration is the UID of the VirtualMachineInstanceMigration; label kubevirt.io/migrationJobUID of the target pod
	// has the same value.
	Migration types.UID
	// Source and Target are hosts; Target is empty until the target pod runs there.
	Source, Target string
	// Ended is true once it has completed or failed.
	Ended bool
	// Failed is true when it ended without the guest having moved.
	Failed bool
}

// UnderWay is true while the guest may still change hosts by it.
func (m Move) UnderWay() bool { return m.Migration != "" && !m.Ended }
