// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package guests

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Stage is how far the memory of a migrating guest has come.
type Stage string

const (
	// Copying is when the guest runs at the source; the target holds half a copy, which is no guest.
	Copying Stage = "Copying"
	// Broken is when the copy at the target is lost. The guest runs at the source, if that lives.
	Broken Stage = "Broken"
	// Switched is when the guest runs at the target, if that lives; at the source it does no more.
	Switched Stage = "Switched"
)

// Move is a live migration as the two machines know it, whatever the API says.
type Move struct {
	// UID is that of the VirtualMachineInstanceMigration.
	UID types.UID
	// Namespace and VMI name the VMI.
	Namespace, VMI         string
	Source, Target         string
	TargetPod              types.UID
	TargetPodName          string
	SourceBoot, TargetBoot string
	Stage                  Stage
	// Since is when the stage began.
	Since time.Time
	// Why tells what broke it; empty unless Broken.
	Why string
	// Aborted is true when it was broken on request.
	Aborted bool
}

// Move returns the migration of a VMI's guest.
func (w *World) Move(vmi types.UID) (Move, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	m, ok := w.moves[vmi]
	return m, ok
}

// BeginMove starts to copy the guest of a VMI. It fails unless the guest is live at the source. Whether the target runs
// is not asked: that a migration to a dead machine breaks is part of the play.
func (w *World) BeginMove(vmi types.UID, m Move, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, ok := w.live[vmi]
	if !ok || g.Node != m.Source {
		return fmt.Errorf("migration %s: no guest of VMI %s at the source %s", m.UID, vmi, m.Source)
	}
	m.SourceBoot, m.TargetBoot = g.Boot, w.machines[m.Target].BootID
	m.Stage, m.Since = Copying, at
	w.moves[vmi] = m
	return nil
}

// BreakMove loses the copy of a guest that has not switched over yet.
func (w *World) BreakMove(vmi types.UID, at time.Time, why string, aborted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.moves[vmi]
	if !ok || m.Stage != Copying {
		return
	}
	m.Stage, m.Since, m.Why, m.Aborted = Broken, at, why, aborted
	w.moves[vmi] = m
}

// SwitchOver lets the guest run on at the target: one entry ends it at the source, one starts it at the target, both
// with the same time. It fails, and changes nothing, unless the guest is live at the source and both machines have run
// on since the copying began.
func (w *World) SwitchOver(vmi types.UID, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.moves[vmi]
	if !ok || m.Stage != Copying {
		return fmt.Errorf("VMI %s: no copy to switch over to", vmi)
	}
	g, ok := w.live[vmi]
	src, dst := w.machines[m.Source], w.machines[m.Target]
	if !ok || g.Node != m.Source || !src.Running() || src.BootID != m.SourceBoot {
		return fmt.Errorf("migration %s: the guest at the source %s is gone", m.UID, m.Source)
	}
	if !dst.Running() || dst.BootID != m.TargetBoot {
		return fmt.Errorf("migration %s: the copy at the target %s is gone", m.UID, m.Target)
	}
	if err := w.stop(g, at, simhost.WhyMigratedOut); err != nil {
		return err
	}
	g.PodUID, g.PodName, g.Node, g.Boot = m.TargetPod, m.TargetPodName, m.Target, m.TargetBoot
	m.Stage, m.Since = Switched, at
	w.moves[vmi] = m
	return w.start(g, at, simhost.WhyMigratedIn)
}

// AdoptMove goes on with a migration that a simulator which ended had begun: where the guest runs tells its stage.
func (w *World) AdoptMove(vmi types.UID, m Move, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, ok := w.live[vmi]
	if !ok || (g.Node != m.Source && g.Node != m.Target) {
		return fmt.Errorf("migration %s: no guest of VMI %s at %s or %s", m.UID, vmi, m.Source, m.Target)
	}
	m.SourceBoot, m.TargetBoot = w.machines[m.Source].BootID, w.machines[m.Target].BootID
	m.Stage, m.Since = Copying, at
	if g.Node == m.Target {
		m.Stage = Switched
	}
	w.moves[vmi] = m
	return nil
}

// MovesOf are the VMIs whose migrations have to do with a machine.
func (w *World) MovesOf(machine string) []types.NamespacedName {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var out []types.NamespacedName
	for _, m := range w.moves {
		if m.Source == machine || m.Target == machine {
			out = append(out, types.NamespacedName{Namespace: m.Namespace, Name: m.VMI})
		}
	}
	return out
}

// EndMovesBut forgets the migrations of VMIs that had the name of the VMI with that UID.
func (w *World) EndMovesBut(name types.NamespacedName, vmi types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for uid, m := range w.moves {
		if uid != vmi && m.Namespace == name.Namespace && m.VMI == name.Name {
			delete(w.moves, uid)
		}
	}
}

// EndMove forgets a migration that both machines are done with.
func (w *World) EndMove(vmi types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.moves, vmi)
}
