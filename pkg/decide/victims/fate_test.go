// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// all that an administrator may allow.
var everything = Rules{MoveNone: true, EvictNotMigratable: true, SignalExternal: true, OthersSchedulers: true}

func TestFateOf(t *testing.T) {
	type answer struct {
		fate   Fate
		reason Reason
	}
	usual := Rules{MoveNone: true}
	lenient := Rules{MoveNone: true, EvictNotMigratable: true, SignalExternal: true}
	ours := func(strategy model.Eviction, migratable bool) Subject {
		return Subject{Strategy: strategy, Migratable: migratable, Ours: true}
	}
	but := func(change func(*Subject)) Subject {
		s := ours(model.EvictionLiveMigrate, true)
		change(&s)
		return s
	}
	tests := map[string]struct {
		rules   Rules
		subject Subject
		want    answer
	}{
		"LiveMigrate":                                  {usual, ours(model.EvictionLiveMigrate, true), answer{Moved, ReasonMovable}},
		"LiveMigrate, nothing is allowed":              {Rules{}, ours(model.EvictionLiveMigrate, true), answer{Moved, ReasonMovable}},
		"LiveMigrate, not migratable":                  {usual, ours(model.EvictionLiveMigrate, false), answer{Spared, ReasonCannotMove}},
		"LiveMigrate, not migratable, all allowed":     {everything, ours(model.EvictionLiveMigrate, false), answer{Spared, ReasonCannotMove}},
		"IfPossible":                                   {usual, ours(model.EvictionLiveMigrateIfPossible, true), answer{Moved, ReasonMovable}},
		"IfPossible, all allowed":                      {everything, ours(model.EvictionLiveMigrateIfPossible, true), answer{Moved, ReasonMovable}},
		"IfPossible, not migratable":                   {usual, ours(model.EvictionLiveMigrateIfPossible, false), answer{Spared, ReasonCannotMoveNoKill}},
		"IfPossible, not migratable, eviction allowed": {lenient, ours(model.EvictionLiveMigrateIfPossible, false), answer{Evicted, ReasonEvictable}},
		"External":                                  {usual, ours(model.EvictionExternal, true), answer{Spared, ReasonExternal}},
		"External, not migratable":                  {usual, ours(model.EvictionExternal, false), answer{Spared, ReasonExternal}},
		"External, signals allowed":                 {lenient, ours(model.EvictionExternal, true), answer{Signalled, ReasonSignalled}},
		"External, not migratable, signals allowed": {lenient, ours(model.EvictionExternal, false), answer{Signalled, ReasonSignalled}},
		"None":                  {usual, ours(model.EvictionNone, true), answer{Moved, ReasonMovable}},
		"None, not to be moved": {Rules{}, ours(model.EvictionNone, true), answer{Spared, ReasonNoneNotMoved}},
		"None, not to be moved, eviction allowed":     {Rules{EvictNotMigratable: true}, ours(model.EvictionNone, true), answer{Spared, ReasonNoneNotMoved}},
		"None, not migratable":                        {usual, ours(model.EvictionNone, false), answer{Spared, ReasonCannotMoveNoKill}},
		"None, not migratable, eviction allowed":      {lenient, ours(model.EvictionNone, false), answer{Evicted, ReasonEvictable}},
		"unset":                                       {usual, ours(model.EvictionUnset, true), answer{Moved, ReasonMovable}},
		"unset, not to be moved":                      {Rules{}, ours(model.EvictionUnset, true), answer{Spared, ReasonNoneNotMoved}},
		"unset, not migratable":                       {usual, ours(model.EvictionUnset, false), answer{Spared, ReasonCannotMoveNoKill}},
		"unset, not migratable, eviction allowed":     {lenient, ours(model.EvictionUnset, false), answer{Evicted, ReasonEvictable}},
		"a strategy of a later KubeVirt":              {everything, ours("Teleport", true), answer{Spared, ReasonUnknown}},
		"a strategy of a later KubeVirt, not movable": {everything, ours("Teleport", false), answer{Spared, ReasonUnknown}},
		"is being moved":                              {everything, but(func(s *Subject) { s.Moving = true }), answer{Spared, ReasonMoving}},
		"target of a move":                            {everything, but(func(s *Subject) { s.Moving, s.Target = true, true }), answer{Spared, ReasonTarget}},
		"paused":                                      {everything, but(func(s *Subject) { s.Paused = true }), answer{Spared, ReasonPaused}},
		"protected":                                   {everything, but(func(s *Subject) { s.Protected = true }), answer{Spared, ReasonProtected}},
		"attachment pod":                              {everything, but(func(s *Subject) { s.Attachment = true }), answer{Spared, ReasonAttachment}},
		"of another scheduler":                        {lenient, but(func(s *Subject) { s.Ours = false }), answer{Spared, ReasonOthers}},
		"of another scheduler, allowed":               {everything, but(func(s *Subject) { s.Ours = false }), answer{Moved, ReasonMovable}},
		"nothing is known":                            {want: answer{Spared, ReasonOthers}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			fate, reason := tc.rules.FateOf(tc.subject)
			if got := (answer{fate, reason}); got != tc.want {
				t.Errorf("FateOf() = %s, VM %s; want %s, VM %s", fate, reason, tc.want.fate, tc.want.reason)
			}
		})
	}
}

func TestFate(t *testing.T) {
	tests := map[string]struct {
		fate  Fate
		moves bool
	}{
		"spared": {fate: Spared}, "moved": {fate: Moved, moves: true}, "evicted": {fate: Evicted}, "signalled": {fate: Signalled, moves: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.fate.String() != name || tc.fate.Moves() != tc.moves {
				t.Errorf("%d: %q, Moves() = %t; want %q, %t", tc.fate, tc.fate, tc.fate.Moves(), name, tc.moves)
			}
		})
	}
}

var strategies = []model.Eviction{
	model.EvictionUnset, model.EvictionNone, model.EvictionLiveMigrate, model.EvictionLiveMigrateIfPossible, model.EvictionExternal, "Teleport",
}

func drawRules(t *rapid.T) Rules {
	return Rules{
		MoveNone: rapid.Bool().Draw(t, "move None"), EvictNotMigratable: rapid.Bool().Draw(t, "evict"),
		SignalExternal: rapid.Bool().Draw(t, "signal"), OthersSchedulers: rapid.Bool().Draw(t, "others"),
	}
}

// drawSubject draws one that most often is like others, or hardly any would be a victim.
func drawSubject(t *rapid.T) Subject {
	rarely := func(what string) bool { return even(0, 19).Draw(t, what) == 19 }
	return Subject{
		Strategy: strategies[even(0, len(strategies)-1).Draw(t, "strategy")], Migratable: even(0, 3).Draw(t, "migratable") > 0,
		Moving: rarely("moving"), Target: rarely("target"), Attachment: rarely("attachment"), Paused: rarely("paused"),
		Ours: !rarely("others"), Protected: rarely("protected"),
	}
}

// The second promise: what could be moved is not killed, whatever else is the case.
func TestWhatCanMoveIsNotEvicted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, subject := drawRules(t), drawSubject(t)
		subject.Migratable = true
		if fate, reason := rules.FateOf(subject); fate == Evicted {
			t.Fatalf("%+v.FateOf(%+v) = %s, VM %s", rules, subject, fate, reason)
		}
	})
}

// Allowing less makes nobody a victim.
func TestLessAllowedSparesMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, subject := drawRules(t), drawSubject(t)
		less := drawRules(t)
		less.MoveNone, less.EvictNotMigratable = less.MoveNone && rules.MoveNone, less.EvictNotMigratable && rules.EvictNotMigratable
		less.SignalExternal, less.OthersSchedulers = less.SignalExternal && rules.SignalExternal, less.OthersSchedulers && rules.OthersSchedulers
		before, _ := rules.FateOf(subject)
		if after, _ := less.FateOf(subject); after != before && after != Spared {
			t.Fatalf("%+v: %s; with less allowed, %+v: %s", rules, before, less, after)
		}
	})
}
