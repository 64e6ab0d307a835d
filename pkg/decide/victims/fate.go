// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import "github.com/virt-scheduler/virt-scheduler/pkg/model"

// Fate is what may be done to a VM so that it makes room.
type Fate uint8

// The fates. The zero value is that of a VM about which nothing is known.
const (
	// Spared: it stays where it is.
	Spared Fate = iota
	// Moved: it is live-migrated.
	Moved
	// Evicted: its pod is evicted, which shuts the guest down; its run strategy decides whether it starts again.
	Evicted
	// Signalled: its owner is asked to move it, and waited for.
	Signalled
)

// String returns the fate as users read it.
func (f Fate) String() string {
	switch f {
	case Moved:
		return "moved"
	case Evicted:
		return "evicted"
	case Signalled:
		return "signalled"
	default:
		return "spared"
	}
}

// Moves is true when the guest runs on elsewhere. A signalled VM counts as one that moves: its owner moves it, and cannot
// where it has no home. A VM that moves has Victim.Moves.
func (f Fate) Moves() bool { return f == Moved || f == Signalled }

// Reason says why a VM meets its fate; it follows "VM a/b ".
type Reason string

// The reasons, and the only list of them.
const (
	ReasonAttachment       Reason = "goes with its VM, never alone: it is the attachment pod of a hot-plugged disk"
	ReasonTarget           Reason = "is arriving: the pod is the target of a live migration"
	ReasonMoving           Reason = "is being live-migrated already"
	ReasonPaused           Reason = "is paused"
	ReasonOthers           Reason = "belongs to another scheduler"
	ReasonProtected        Reason = "is protected by annotation virt-scheduler.io/preemption: Never"
	ReasonMovable          Reason = "can be live-migrated"
	ReasonCannotMove       Reason = "cannot be live-migrated, and its eviction strategy forbids to shut it down"
	ReasonCannotMoveNoKill Reason = "cannot be live-migrated, and the scheduler is not configured to evict such VMs"
	ReasonEvictable        Reason = "cannot be live-migrated, and the scheduler is configured to evict such VMs"
	ReasonNoneNotMoved     Reason = "has eviction strategy None, and the scheduler is not configured to live-migrate such VMs"
	ReasonExternal         Reason = "has eviction strategy External: only its owner moves it"
	ReasonSignalled        Reason = "has eviction strategy External, and the scheduler is configured to ask its owner to move it"
	ReasonUnknown          Reason = "has an eviction strategy that this version does not know"
)

// Rules are what the administrator allows. The zero value allows the least.
type Rules struct {
	// MoveNone: a VM whose eviction strategy is None may be moved if it can be.
	MoveNone bool
	// EvictNotMigratable: a VM that cannot be moved, and whose strategy does not forbid it, may be shut down.
	EvictNotMigratable bool
	// SignalExternal: the owner of a VM with strategy External may be asked to move it.
	SignalExternal bool
	// OthersSchedulers: VMs that another scheduler has placed are treated as ours.
	OthersSchedulers bool
}

// Subject is what of a VM decides about its fate. The zero value is spared.
type Subject struct {
	// Strategy is the effective one, with the cluster's default filled in; unset is None, as with KubeVirt.
	Strategy model.Eviction
	// Migratable is true when KubeVirt says that the VM can be live-migrated now.
	Migratable bool
	// Moving is true when it is being live-migrated already, by whomever.
	Moving bool
	// Target is true when the pod in question is to receive the VM.
	Target bool
	// Attachment is true when the pod in question only carries a hot-plugged disk of a VM.
	Attachment bool
	// Paused is true when the guest is paused.
	Paused bool
	// Ours is true when one of our profiles has placed the VM.
	Ours bool
	// Protected is true when its owner has forbidden it, by annotation.
	Protected bool
}

// FateOf returns the fate that a VM may meet, and why. Whatever the rules, a VM that can move is not evicted, and nothing
// is done to one whose strategy is not known.
func (r Rules) FateOf(s Subject) (Fate, Reason) {
	if reason := r.neverBecause(s); reason != "" {
		return Spared, reason
	}
	switch s.Strategy {
	case model.EvictionLiveMigrate:
		if s.Migratable {
			return Moved, ReasonMovable
		}
		return Spared, ReasonCannotMove
	case model.EvictionLiveMigrateIfPossible:
		if s.Migratable {
			return Moved, ReasonMovable
		}
		return r.evicted()
	case model.EvictionExternal:
		if r.SignalExternal {
			return Signalled, ReasonSignalled
		}
		return Spared, ReasonExternal
	case model.EvictionNone, model.EvictionUnset:
		switch {
		case !s.Migratable:
			return r.evicted()
		case r.MoveNone:
			return Moved, ReasonMovable
		}
		return Spared, ReasonNoneNotMoved
	default:
		return Spared, ReasonUnknown
	}
}

// neverBecause returns why a VM is no victim whatever its strategy, "" if it may be one.
func (r Rules) neverBecause(s Subject) Reason {
	switch {
	case s.Attachment:
		return ReasonAttachment
	case s.Target:
		return ReasonTarget
	case s.Moving:
		return ReasonMoving
	case s.Paused:
		return ReasonPaused
	case !s.Ours && !r.OthersSchedulers:
		return ReasonOthers
	case s.Protected:
		return ReasonProtected
	}
	return ""
}

// evicted is for VMs that cannot be moved and whose strategy lets them be shut down.
func (r Rules) evicted() (Fate, Reason) {
	if r.EvictNotMigratable {
		return Evicted, ReasonEvictable
	}
	return Spared, ReasonCannotMoveNoKill
}
