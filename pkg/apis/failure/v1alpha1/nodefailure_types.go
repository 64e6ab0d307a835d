// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// NodeFailure is the record of one failure of one node: what was seen, how the machine was proved to be off, which
// launcher pods were on it, and what became of each VM. It is not owned by the Node, so that it outlives it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nf
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.spec.nodeName`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Proof",type=string,JSONPath=`.status.fence.proof.kind`
// +kubebuilder:printcolumn:name="VMs",type=integer,JSONPath=`.status.vmCount`
// +kubebuilder:printcolumn:name="Settled",type=integer,JSONPath=`.status.vmsSettled`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NodeFailure struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec is what was seen when the node failed and can't be changed"
	Spec   NodeFailureSpec   `json:"spec"`
	Status NodeFailureStatus `json:"status,omitempty"`
}

// NodeFailureList is a list of NodeFailure.
//
// +kubebuilder:object:root=true
type NodeFailureList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodeFailure `json:"items"`
}

// NodeFailureSpec names the incident: one boot of one machine under one Node object. A proof or a token counts for this
// incident only when it names the same node UID and boot ID.
type NodeFailureSpec struct {
	// NodeName is the name of the failed node.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName"`
	// NodeUID is the UID of the Node object when the failure was seen.
	NodeUID types.UID `json:"nodeUID"`
	// BootID is status.nodeInfo.bootID of the node when the failure was seen; empty when the kubelet never told it.
	BootID string `json:"bootID,omitempty"`
	// SystemUUID is status.nodeInfo.systemUUID: what a BMC must say of itself before it is believed.
	SystemUUID string `json:"systemUUID,omitempty"`
	// Zone is the node's label topology.kubernetes.io/zone.
	Zone string `json:"zone,omitempty"`
	// Incident is the short id that the node's taint bears; it never changes.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{8}$`
	Incident string `json:"incident"`
	// ControlPlane is true for a node that also carries the control plane: it is never fenced in this version.
	ControlPlane bool `json:"controlPlane,omitempty"`
}

// Phase is where an incident stands. docs/design/0004-failure-watcher.md shows the graph.
//
// +kubebuilder:validation:Enum=Suspect;Confirmed;Fencing;AwaitManual;Fenced;Releasing;Recovering;Returning;Closed
type Phase string

// The phases, in the order in which a power loss passes through them.
const (
	// PhaseSuspect: the node is out of scheduling and its BMC is read; nothing else is touched.
	PhaseSuspect Phase = "Suspect"
	// PhaseConfirmed: dead for confirmAfter; launcher pods are recorded; a fence id is about to be stored.
	PhaseConfirmed Phase = "Confirmed"
	// PhaseFencing: a fence id is stored; a power-off may be under way; power is read until it is Off twice.
	PhaseFencing Phase = "Fencing"
	// PhaseAwaitManual: no driver can prove anything; an administrator's token or a readable BMC ends it, time never does.
	PhaseAwaitManual Phase = "AwaitManual"
	// PhaseFenced: a proof is stored; nothing has been released yet.
	PhaseFenced Phase = "Fenced"
	// PhaseReleasing: recorded pods are deleted, then the out-of-service taint detaches the volumes.
	PhaseReleasing Phase = "Releasing"
	// PhaseRecovering: each VM is followed until it is what its runStrategy says.
	PhaseRecovering Phase = "Recovering"
	// PhaseReturning: all VMs are settled; the node itself is awaited.
	PhaseReturning Phase = "Returning"
	// PhaseClosed: our marks are off the node; the record is history.
	PhaseClosed Phase = "Closed"
)

// NodeFailureStatus is what the watcher has stored so far. Every release reads it back from here, never from memory.
type NodeFailureStatus struct {
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// Reason says in one word why the incident is in its phase, e.g. LeaseStale, BMCUnreachable, Recovered.
	Reason string `json:"reason,omitempty"`
	// Message is the same for people.
	Message string `json:"message,omitempty"`
	// SuspectedAt is when the watcher first took the node for failed (the watcher's clock).
	SuspectedAt *metav1.MicroTime `json:"suspectedAt,omitempty"`
	// LastSeenAliveAt is when the watcher last saw the node's Lease change before that.
	LastSeenAliveAt *metav1.MicroTime `json:"lastSeenAliveAt,omitempty"`
	// LeaseFingerprint is the node's Lease (holder and renew time as text) when it was last seen to change before the proof, or
	// when the node was suspected. A Lease that reads otherwise is a sign of life; comparing the text survives a restart of the
	// watcher and needs no clock of the node.
	LeaseFingerprint string `json:"leaseFingerprint,omitempty"`
	// Transitions are the phases with the time each was entered; when there are more than 64 the oldest but the first are dropped.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Transitions []Transition `json:"transitions,omitempty"`
	// Evidence is what was seen, oldest first; at most 64 entries, repeated ones are folded.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Evidence []Evidence `json:"evidence,omitempty"`
	// Recorded is true once VMs holds every launcher pod of the node. Nothing is released before.
	Recorded bool `json:"recorded,omitempty"`
	// Fence is the fencing attempt in force and its proof.
	Fence *Fence `json:"fence,omitempty"`
	// VMs has one entry per launcher pod that was on the node.
	// +kubebuilder:validation:MaxItems=1000
	// +listType=map
	// +listMapKey=podUID
	VMs []VMRecord `json:"vms,omitempty"`
	// VMCount and VMsSettled are for the printed columns.
	VMCount    int32 `json:"vmCount,omitempty"`
	VMsSettled int32 `json:"vmsSettled,omitempty"`
	// TaintedAt is when the node-failure taint was first acknowledged by the API server.
	TaintedAt *metav1.MicroTime `json:"taintedAt,omitempty"`
	// OutOfServiceAt is when our out-of-service taint was acknowledged; nil when it is not (or no longer) ours.
	OutOfServiceAt *metav1.MicroTime `json:"outOfServiceAt,omitempty"`
	// ReturnedAt is when the node was first seen Ready with another boot ID (or cleared by a token).
	ReturnedAt *metav1.MicroTime `json:"returnedAt,omitempty"`
	// RefusedToken is the last administrator's token that was refused, so that it is reported once.
	// +kubebuilder:validation:MaxLength=256
	RefusedToken string `json:"refusedToken,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Transition is one change of phase.
type Transition struct {
	Phase  Phase            `json:"phase"`
	At     metav1.MicroTime `json:"at"`
	Reason string           `json:"reason,omitempty"`
}

// Evidence is one observation about the node.
type Evidence struct {
	At metav1.MicroTime `json:"at"`
	// Signal is one of Lease, Ready, Power, Identity, Node, Token.
	Signal string `json:"signal"`
	// Detail says what was read, from where.
	// +kubebuilder:validation:MaxLength=512
	Detail string `json:"detail"`
	// Count is how often the same was noted in a row; 0 and 1 both mean once. What goes on for long is noted ever more seldom.
	Count int32 `json:"count,omitempty"`
	// LastAt is when the same was last noted, if more than once.
	LastAt *metav1.MicroTime `json:"lastAt,omitempty"`
}

// Fence is one fencing attempt. A new attempt gets a new ID.
type Fence struct {
	// ID names the attempt; a power action is issued at most once per ID.
	ID string `json:"id"`
	// Driver is redfish or manual.
	Driver string `json:"driver"`
	// Attempt counts from 1.
	Attempt int32 `json:"attempt,omitempty"`
	// RequestedAt is when the ID was decided.
	RequestedAt metav1.MicroTime `json:"requestedAt"`
	// IssuedAt is stored before the power action goes out: after a crash the action is taken for sent.
	IssuedAt *metav1.MicroTime `json:"issuedAt,omitempty"`
	// OffReadings are the readings of Off that count towards the proof: two, at least the configured interval apart.
	// +kubebuilder:validation:MaxItems=2
	// +listType=atomic
	OffReadings []PowerReading `json:"offReadings,omitempty"`
	// Proof is set once and never changed.
	Proof *Proof `json:"proof,omitempty"`
}

// PowerReading is one reading of a BMC that passed the identity check.
type PowerReading struct {
	At metav1.MicroTime `json:"at"`
	// Power is as the driver reported it: On, Off, Transitional, Unknown.
	Power      string `json:"power"`
	SystemUUID string `json:"systemUUID"`
	SystemID   string `json:"systemID"`
	Endpoint   string `json:"endpoint"`
	// IdentityOverride is the configured UUID by which the machine was accepted in place of the node's own, if any.
	IdentityOverride string `json:"identityOverride,omitempty"`
}

// ProofKind says why the machine is believed to be unable to run its VMs.
//
// +kubebuilder:validation:Enum=AlreadyOff;PoweredOff;Manual
type ProofKind string

// The kinds of proof of this version.
const (
	// ProofAlreadyOff: two Off readings without an action of ours.
	ProofAlreadyOff ProofKind = "AlreadyOff"
	// ProofPoweredOff: two Off readings after our power-off.
	ProofPoweredOff ProofKind = "PoweredOff"
	// ProofManual: an administrator's token for this node UID and boot ID.
	ProofManual ProofKind = "Manual"
)

// Proof is the stored reason for every release of this incident.
type Proof struct {
	Kind ProofKind        `json:"kind"`
	At   metav1.MicroTime `json:"at"`
	// NodeUID and BootID repeat the incident that the proof is about.
	NodeUID types.UID `json:"nodeUID"`
	BootID  string    `json:"bootID,omitempty"`
	// Detail says in words what was read or who said it.
	// +kubebuilder:validation:MaxLength=512
	Detail string `json:"detail,omitempty"`
}

// VMRole is the part that a launcher pod of the failed node played.
//
// +kubebuilder:validation:Enum=Home;MigrationSource;MigrationTarget
type VMRole string

// The roles.
const (
	// RoleHome: the guest ran in this pod and was not moving.
	RoleHome VMRole = "Home"
	// RoleMigrationSource: a migration away from the failed node was in flight.
	RoleMigrationSource VMRole = "MigrationSource"
	// RoleMigrationTarget: a migration to the failed node was in flight.
	RoleMigrationTarget VMRole = "MigrationTarget"
)

// VMDue is what should become of a VM, by its runStrategy (failure.md section 1, table of runStrategies).
//
// +kubebuilder:validation:Enum=Restart;StayStopped;StayFailed;RunOn;Gone
type VMDue string

// What may be due.
const (
	// DueRestart: Always, RerunOnFailure: a new VMI runs on another node.
	DueRestart VMDue = "Restart"
	// DueStayStopped: Halted, or a VM that was being stopped: no VMI.
	DueStayStopped VMDue = "StayStopped"
	// DueStayFailed: Manual, Once: the VMI ends Failed and no other is made.
	DueStayFailed VMDue = "StayFailed"
	// DueRunOn: the guest lives on another node (the other side of a migration).
	DueRunOn VMDue = "RunOn"
	// DueGone: a VMI without a VM (bare, or of a replica set): it ends; a replica set makes another by itself.
	DueGone VMDue = "Gone"
)

// VMState is where a VM's recovery stands.
//
// +kubebuilder:validation:Enum=Recorded;Held;Released;Settled
type VMState string

// The states.
const (
	// VMRecorded: known, not released.
	VMRecorded VMState = "Recorded"
	// VMHeld: proof is there, but a migration in flight must end first.
	VMHeld VMState = "Held"
	// VMReleased: the launcher pod was deleted by us (or found gone after the proof).
	VMReleased VMState = "Released"
	// VMSettled: the VM is what was due; Outcome says what that is.
	VMSettled VMState = "Settled"
)

// VMRecord is the ledger line of one launcher pod.
type VMRecord struct {
	Namespace string `json:"namespace"`
	// Name is the VMI's name, which is the VM's.
	Name    string    `json:"name"`
	PodName string    `json:"podName"`
	PodUID  types.UID `json:"podUID"`
	VMIUID  types.UID `json:"vmiUID,omitempty"`
	// VMUID is empty for a VMI without a VM.
	VMUID            types.UID `json:"vmUID,omitempty"`
	RunStrategy      string    `json:"runStrategy,omitempty"`
	EvictionStrategy string    `json:"evictionStrategy,omitempty"`
	Role             VMRole    `json:"role"`
	// Migration is the name of the VirtualMachineInstanceMigration in flight, in the VMI's namespace.
	Migration string  `json:"migration,omitempty"`
	Due       VMDue   `json:"due"`
	State     VMState `json:"state"`
	// Outcome says in words what happened.
	// +kubebuilder:validation:MaxLength=256
	Outcome string `json:"outcome,omitempty"`
	// NewVMIUID and NewNode are where the VM runs now, for DueRestart and DueRunOn.
	NewVMIUID types.UID `json:"newVMIUID,omitempty"`
	NewNode   string    `json:"newNode,omitempty"`
	// Leftover is what a migration to the failed node left on its source: a launcher pod that has ended, by its kubelet's word, while
	// KubeVirt still takes the VM for running in it. The guest had arrived on the failed node and died there untold.
	Leftover   *LeftoverPod      `json:"leftover,omitempty"`
	HeldSince  *metav1.MicroTime `json:"heldSince,omitempty"`
	ReleasedAt *metav1.MicroTime `json:"releasedAt,omitempty"`
	SettledAt  *metav1.MicroTime `json:"settledAt,omitempty"`
}

// LeftoverPod names a launcher pod on a node that did not fail, whose containers have all ended.
type LeftoverPod struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid"`
	Node string    `json:"node"`
	// SeenAt is when it was first seen to have ended with no other launcher pod of the VM left.
	SeenAt metav1.MicroTime `json:"seenAt"`
	// ReleasedAt is stored before it is deleted.
	ReleasedAt *metav1.MicroTime `json:"releasedAt,omitempty"`
}
