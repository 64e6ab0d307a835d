// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// room is what is known of the room that is made for one preemptor. It is a value: who changes one changes a copy.
type room struct {
	preemptor preemptor
	// plan is what goes on; nil when nothing does.
	plan *plan
	// excluded are nodes that were given up.
	excluded map[string]exclusion
	// promises are nodes that were given up, on which a nomination may be left, or may be written only now.
	promises map[string]promise
	// doomed are migrations that are not wanted any more, by their names: also such of which it is not known whether they were made.
	doomed map[types.NamespacedName]doom
	// aloneSince is since when there is no preemptor that waits, as far as we see; zero while there is one.
	aloneSince time.Time
}

// plan is some VMs that move away from a node.
type plan struct {
	node string
	// own is true when this process asked for it; otherwise it was found.
	own                 bool
	since               time.Time
	timeout, retryAfter time.Duration
	moves               []moving
	// failing is since when a plan that was found is known to come to nothing, and why says why. Who began it, if that is another process, is
	// left some time to give it up.
	failing time.Time
	why     string
	// renominated is true when the preemptor was not nominated to the node in between: somebody has cleared the nomination already.
	renominated bool
}

// stage is how far a move has come.
type stage uint8

const (
	planned stage = iota // it was not asked for yet
	asking               // the API has not answered yet
	written              // it exists, but the watch has not shown it
	going                // the watch has shown it
	moved                // the VM has moved
	lost                 // it failed, was deleted, or is gone
	refused              // the API has not taken it
)

// moving is one VM of a plan.
type moving struct {
	guest guest
	home  string // "" if found
	stage stage
	name  types.NamespacedName // of the migration, from asking on
	uid   types.UID            // of the migration, from written on
	why   string               // for lost and refused
}

// open is true while the move may still happen.
func (m *moving) open() bool {
	return m.stage == asking || m.stage == written || m.stage == going
}

// exclusion is that of a node.
type exclusion struct {
	since, until time.Time
	// known is true when fingerprint is what the node was like when it was looked at for the first time after.
	known       bool
	fingerprint uint64
}

// promise is a nomination that is to go.
type promise struct {
	// until is how long it is watched for at least: a nomination may be written after its plan has failed.
	until time.Time
	asked time.Time // when its removal was asked for last
}

// doom is the fate of a migration that is not wanted any more.
type doom struct {
	guest guest
	// uid is empty when it is not known whether there is such a migration.
	uid types.UID
	// from is when it is deleted, asked when that was asked for last, until how long it is remembered after that.
	from, asked, until time.Time
	// tell is what its VM is told then; "" if that was told already.
	tell string
}

func newRoom(p preemptor) room { return room{preemptor: p} }

// clone returns a copy that shares nothing that changes.
func (r room) clone() room {
	r.excluded, r.promises, r.doomed = maps.Clone(r.excluded), maps.Clone(r.promises), maps.Clone(r.doomed)
	if r.plan != nil {
		p := *r.plan
		p.moves = slices.Clone(p.moves)
		r.plan = &p
	}
	return r
}

// empty is true when nothing would be lost with it.
func (r room) empty() bool {
	return r.plan == nil && len(r.excluded) == 0 && len(r.promises) == 0 && len(r.doomed) == 0
}

// move returns the move of a VM, or nil.
func (p *plan) move(vmi types.UID) *moving {
	for i := range p.moves {
		if p.moves[i].guest.uid == vmi {
			return &p.moves[i]
		}
	}
	return nil
}

// begun returns the room with a plan that this process carries out, of which asked is a move. One that was found on the same node becomes
// its own.
func (r room) begun(p Plan, asked Move, now time.Time) room {
	r = r.clone()
	if r.plan == nil {
		r.plan = &plan{node: p.Node, since: now}
	}
	r.plan.own, r.plan.timeout, r.plan.retryAfter = true, p.timeout(), p.retryAfter()
	for _, m := range append(slices.Clip(p.Moves), asked) {
		if known := r.plan.move(m.UID); known != nil {
			known.home = m.Home
			continue
		}
		r.plan.moves = append(r.plan.moves, moving{guest: m.guest(), home: m.Home})
	}
	return r
}

// at returns the room with a move of its plan changed; nothing changes when there is no such move any more.
func (r room) at(node string, vmi types.UID, change func(*moving)) (changed room, ok bool) {
	if r.plan == nil || r.plan.node != node {
		return r, false
	}
	r = r.clone()
	m := r.plan.move(vmi)
	if m == nil {
		return r, false
	}
	change(m)
	return r, true
}
