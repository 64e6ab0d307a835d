// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// effect is something that has to be done. Each can be done twice without harm.
type effect interface{ isEffect() }

type (
	// remove deletes a migration.
	remove struct {
		name types.NamespacedName
		uid  types.UID
	}
	// unnominate clears the preemptor's nomination, if it names this node.
	unnominate struct{ node string }
	// activate makes the scheduler try the preemptor again.
	activate struct{}
	// tellPreemptor and tellVM emit an event.
	tellPreemptor struct {
		warning      bool
		reason, note string
	}
	tellVM struct {
		vm           guest
		reason, note string
	}
	// count counts moves that this process asked for.
	count struct {
		result result
		moves  int
	}
	// took is how long it took until there was room.
	took struct{ time.Duration }
)

func (remove) isEffect()        {}
func (unnominate) isEffect()    {}
func (activate) isEffect()      {}
func (tellPreemptor) isEffect() {}
func (tellVM) isEffect()        {}
func (count) isEffect()         {}
func (took) isEffect()          {}

// Reasons of events.
const (
	reasonMoving  = "MovingToMakeRoom"
	reasonGivenUp = "MakingRoomGivenUp"
	reasonRoom    = "RoomMade"
)

// result is what has become of a move.
type result string

// All results there are.
const (
	resultSucceeded result = "succeeded"
	resultFailed    result = "failed"
	resultRefused   result = "refused"
	resultTimeout   result = "timeout"
	resultAbandoned result = "abandoned"
)
