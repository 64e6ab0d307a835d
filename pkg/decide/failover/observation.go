// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Policy is the configuration as far as it concerns one node. Durations are validated by the configuration's loader.
type Policy struct {
	LeaseStaleAfter, ConfirmAfter  time.Duration
	PowerReadInterval              time.Duration
	AttemptTimeout                 time.Duration
	MaxAttempts                    int32
	MigrationTimeout, HealthyDelay time.Duration
	IdentityOverride               string // the System UUID accepted for this node's BMC in place of its own; empty: none
	IdentityOverrideReason         string
	DriverConfigured               bool
	DriverName                     string
}

// Observation is what one pass saw of one node. In an incident everything in it comes from quorum reads made in this pass,
// unless the field says otherwise. A part that was not read is marked so and must not be taken for empty.
type Observation struct {
	Now   time.Time // the watcher's clock
	Node  NodeView
	Power PowerView
	Pods  PodsView
	VMs   VMsView
	// Token is the value of the confirm-fenced annotation of the NodeFailure; empty when there is none.
	Token string
	// DriverDisabled is why the node's BMC must not be believed or used (mapped to two nodes, said Off while the node was
	// Ready); empty when it may.
	DriverDisabled string
}

// NodeView is the Node object and its Lease.
type NodeView struct {
	Exists       bool
	UID          types.UID
	BootID       string
	SystemUUID   string
	Zone         string
	ControlPlane bool
	// Ready is the Ready condition's status: "True", "False", "Unknown" or "" when absent.
	Ready string
	// NeverReady is true for a node that has not been Ready since it was created (it is being installed): it is not suspicious.
	NeverReady bool
	// LeaseUnchangedFor is for how long the watcher has been seeing the same Lease while the API server answered. Gaps of the
	// API server and restarts of the watcher start it again, so it is never too long.
	LeaseUnchangedFor time.Duration
	// LeaseLastChange is when the watcher last saw the Lease change; zero when it never did since its start.
	LeaseLastChange time.Time
	// LeaseFingerprint is the Lease's holder and renew time as text: equal fingerprints mean that it did not change.
	LeaseFingerprint string
	// Tainted is true when the node bears our taint with this incident's value; OutOfService when it bears the
	// out-of-service taint, whoever put it there.
	Tainted      bool
	OutOfService bool
}

// Alive says whether the node gives signs of life: Ready is True and its Lease changed within staleAfter.
func (n NodeView) Alive(staleAfter time.Duration) bool {
	return n.Exists && n.Ready == "True" && n.LeaseUnchangedFor < staleAfter
}

// PowerView is the outcome of one reading of the BMC.
type PowerView struct {
	// Attempted is false when no reading was made in this pass.
	Attempted bool
	// Err is why the reading failed; empty when it did not.
	Err string
	// At is when the answer arrived; Power is On, Off, Transitional or Unknown.
	At                             time.Time
	Power                          string
	SystemUUID, SystemID, Endpoint string
}

// PodsView lists the launcher pods bound to the node and the volumes still attached to it.
type PodsView struct {
	Read bool
	Pods []PodView
	// VolumeAttachments is how many VolumeAttachments name the node.
	VolumeAttachments int
}

// PodView is one launcher pod bound to the failed node, with what its VMI and VM said.
type PodView struct {
	Namespace, Name string
	UID             types.UID
	// VMIName is the name of the pod's VMI, which is also its VM's (annotation kubevirt.io/domain, or the owner's name).
	VMIName string
	// Finished is true for phase Succeeded or Failed.
	Finished bool
	VMI      VMIView
	// VM is its owner; VM.Exists is false for a bare VMI.
	VM VMView
	// Target is true for a pod that was made as a migration's target (label kubevirt.io/migrationJobUID of the migration in flight).
	Target bool
}

// VMsView holds, for each VM of the record (by namespace/name), what it is now.
type VMsView struct {
	Read bool
	VMIs map[types.NamespacedName]VMIView
	VMs  map[types.NamespacedName]VMView
}

// VMView is a VirtualMachine.
type VMView struct {
	Exists      bool
	UID         types.UID
	RunStrategy string // effective: spec.runStrategy, or Always/Halted from the deprecated spec.running
	// Deleting is true when the VM itself is being deleted.
	Deleting bool
}

// VMIView is a VirtualMachineInstance.
type VMIView struct {
	Exists           bool
	UID              types.UID
	Phase            string
	NodeName         string // status.nodeName
	EvictionStrategy string
	// Deleting is true when the VMI has a deletionTimestamp: somebody stopped it.
	Deleting  bool
	Migration MigrationView
	// Launchers are all launcher pods of the VMI, on any node; read only for VMs that are due to run on (LaunchersRead).
	LaunchersRead bool
	Launchers     []LauncherView
}

// MigrationView is the migration in flight of a VMI, from status.migrationState and its VirtualMachineInstanceMigration.
type MigrationView struct {
	// InFlight is true from the moment a target node is known until the migration is completed or failed.
	InFlight               bool
	Name                   string
	SourceNode, TargetNode string
	Completed, Failed      bool
}

// LauncherView is one launcher pod of a VMI.
type LauncherView struct {
	Name string
	UID  types.UID
	Node string
	// Ended is true when the pod is Succeeded or Failed and a kubelet has reported each of its containers terminated. The phase alone
	// is not enough: a controller may have written it for a kubelet that is silent.
	Ended bool
}
