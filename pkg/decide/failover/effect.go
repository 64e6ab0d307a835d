// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Decision is what one pass of Next decides.
type Decision struct {
	// Status is to be stored first; nothing else happens when storing it fails.
	Status failurev1alpha1.NodeFailureStatus
	// Effects are to be applied in order once Status is stored. Each is safe to repeat, but for PowerOff, which Next returns
	// once per fence ID.
	Effects []Effect
	// Events are to be published once Status is stored.
	Events []Event
	// RequeueAfter is when Next wants to look again; 0 means at once, negative means only when something changes.
	RequeueAfter time.Duration
}

// EffectKind names a write.
type EffectKind string

// The effects.
const (
	// EffectTaint puts our NoSchedule taint with the incident on the node.
	EffectTaint EffectKind = "Taint"
	// EffectUntaint takes exactly that taint off.
	EffectUntaint EffectKind = "Untaint"
	// EffectPowerOff sends one forced power-off for FenceID, after Lease, power and identity have been read again and still
	// say what they said (the glue calls MayPowerOff with the fresh reading).
	EffectPowerOff EffectKind = "PowerOff"
	// EffectDeletePod deletes Pod with grace period 0 and its UID as precondition.
	EffectDeletePod EffectKind = "DeletePod"
	// EffectOutOfService puts node.kubernetes.io/out-of-service=nodeshutdown:NoExecute on the node, with the resourceVersion of a
	// quorum read that shows it not Ready.
	EffectOutOfService EffectKind = "OutOfService"
	// EffectRemoveOutOfService takes it off again.
	EffectRemoveOutOfService EffectKind = "RemoveOutOfService"
)

// Effect is one write.
type Effect struct {
	Kind    EffectKind
	FenceID string // PowerOff
	Pod     PodRef // DeletePod
}

// PodRef names a pod for good.
type PodRef struct {
	Namespace, Name string
	UID             types.UID
}

// Event is something to tell people, on the Node and the NodeFailure, or on a VM.
type Event struct {
	Warning bool
	Reason  string
	Note    string
	// VM is set for an event about a VM.
	VM *VMRef
}

// VMRef names a VM (or, when VMUID is empty, a VMI).
type VMRef struct {
	Namespace, Name string
	VMUID, VMIUID   types.UID
}

// The reasons of events, one per step.
const (
	ReasonSuspected        = "NodeSuspected"
	ReasonRecovered        = "NodeRecovered"
	ReasonPowerReadOff     = "PowerReadOff"
	ReasonConfirmed        = "NodeConfirmedDead"
	ReasonPowerOffIssued   = "PowerOffIssued"
	ReasonFenced           = "NodeFenced"
	ReasonAwaitManual      = "AwaitingAdministrator"
	ReasonIdentityMismatch = "IdentityMismatch"
	ReasonTokenRefused     = "TokenRefused"
	ReasonReleasing        = "ReleasingVMs"
	ReasonVMHeld           = "VMHeldForMigration"
	ReasonVMReleased       = "VMReleased"
	ReasonOutOfService     = "OutOfServiceTaintSet"
	ReasonGuestLost        = "GuestLostInMigration"
	ReasonVMSettled        = "VMSettled"
	ReasonAllSettled       = "AllVMsSettled"
	ReasonReturned         = "NodeReturned"
	ReasonUnfenced         = "NodeUnfenced"
	ReasonClosed           = "IncidentClosed"
	ReasonOffWhileAlive    = "BMCSaysOffWhileAlive"
	ReasonNodeDeleted      = "NodeDeletedUnfenced"
	ReasonControlPlane     = "ControlPlaneNotFenced"
	ReasonFenceRetry       = "PowerOffRetried"
	ReasonVMDueChanged     = "VMDueChanged"
)
