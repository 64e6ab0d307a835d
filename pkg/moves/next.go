// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// presence is what has become of a preemptor.
type presence uint8

const (
	unknown presence = iota // pods have not been read yet
	waiting
	placed // it has a host
	gone   // it is deleted, being deleted, or has ended
)

// view is what can be seen at one moment that matters to one preemptor. It may be older than what this process has written.
type view struct {
	presence  presence
	nominated string
	// migrations are ours for this preemptor.
	migrations []*migration
}

// patience says how long things are waited for.
type patience struct {
	// grace is given to watches that lag, and twice as much of it to other processes, which may be about to do the same.
	grace time.Duration
	// settle is how long after its plan has failed a nomination may still be written.
	settle time.Duration
	// again is after how long what was asked for and has shown no effect is asked for once more.
	again time.Duration
	// late is how long after its answer was lost a write may still be carried out.
	late time.Duration
}

// step is one transition.
type step struct {
	room
	view
	patience
	now    time.Time
	byName map[types.NamespacedName]*migration

	removals, clearings, reports []effect
	active                       bool
	at                           time.Time // when to look again at the latest; zero: when something changes
}

func newStep(r room, v view, now time.Time, p patience) *step {
	s := &step{room: r.clone(), view: v, patience: p, now: now, byName: map[types.NamespacedName]*migration{}}
	s.migrations = slices.SortedFunc(slices.Values(v.migrations), func(a, b *migration) int { return strings.Compare(a.key().String(), b.key().String()) })
	for _, m := range v.migrations {
		s.byName[m.key()] = m
	}
	return s
}

// next is what follows from what is seen: what is known from now on, what has to be done, in this order, and when to look again at the
// latest (zero: when something changes). It does not matter how often, or how late, it is called.
func next(r room, v view, now time.Time, p patience) (room, []effect, time.Time) {
	s := newStep(r, v, now, p)
	s.observe()
	switch s.presence {
	case placed, gone:
		s.alone()
	case waiting:
		s.aloneSince = time.Time{}
		s.succeed()
		s.fail()
		s.adopt()
		s.expire()
	case unknown:
		s.lookBy(now.Add(s.grace))
	}
	s.removeDoomed()
	s.keepNoPromise()
	return s.room, s.effects(), s.at
}

// giveUp is what follows from somebody's word that there will be no room on a node.
func giveUp(r room, node, why string, retryAfter time.Duration, now time.Time, p patience) (room, []effect) {
	s := newStep(r, view{}, now, p)
	if s.plan != nil && s.plan.node == node {
		s.abandon(why, resultAbandoned)
		return s.room, s.effects()
	}
	if e, ok := s.excluded[node]; !ok || now.Sub(e.since) >= s.settle { // else it was given up just now, and that is one more word of the same
		s.exclude(node, retryAfter)
		s.report(tellPreemptor{warning: true, reason: reasonGivenUp, note: "no room on node " + node + ": " + why})
		s.active = true
	}
	s.expectNoPromise(node)
	return s.room, s.effects()
}

func (s *step) effects() []effect {
	all := slices.Concat(s.removals, s.clearings)
	if s.active {
		all = append(all, activate{})
	}
	return append(all, s.reports...)
}

func (s *step) report(e effect) { s.reports = append(s.reports, e) }

func (s *step) lookBy(at time.Time) {
	if s.at.IsZero() || at.Before(s.at) {
		s.at = at
	}
}

// observe brings the moves of the plan up to date.
func (s *step) observe() {
	if s.plan == nil {
		return
	}
	for i := range s.plan.moves {
		m := &s.plan.moves[i]
		if !m.open() {
			continue
		}
		seen := s.byName[m.name]
		switch {
		case seen == nil, m.uid != "" && seen.UID != m.uid:
			// Before it was seen for the first time the watch is behind, and may show another one that had the name before.
			if m.stage == going {
				m.stage, m.why = lost, "its migration is gone"
			}
			continue
		case seen.succeeded():
			m.stage = moved
		case seen.ended():
			m.stage, m.why = lost, "its migration failed"
		case seen.deleting:
			m.stage, m.why = lost, "its migration was deleted"
		default:
			m.stage = going
		}
		m.uid = seen.UID
	}
}

// alone: without a preemptor that waits nothing has to move.
func (s *step) alone() {
	if s.aloneSince.IsZero() {
		s.aloneSince = s.now
	}
	at := s.aloneSince.Add(s.graceFor(s.plan != nil && s.plan.own))
	if s.now.Before(at) {
		if s.plan != nil || len(s.excluded) > 0 || len(s.promises) > 0 || slices.ContainsFunc(s.migrations, s.wanted) {
			s.lookBy(at)
		}
		return
	}
	why := "is gone"
	if s.presence == placed {
		why = "has a host"
	}
	note := fmt.Sprintf("does not have to move any more: pod %s %s", s.preemptor, why)
	if s.plan != nil {
		s.conclude(resultAbandoned, note)
	}
	for _, m := range s.migrations {
		if s.wanted(m) {
			s.doom(m.key(), doom{guest: m.guest(), uid: m.UID, from: s.now, tell: note})
		}
	}
	s.plan, s.excluded, s.promises = nil, nil, nil
}

func (s *step) graceFor(own bool) time.Duration {
	if own {
		return s.grace
	}
	return 2 * s.grace
}

// fail gives a plan up that comes to nothing.
func (s *step) fail() {
	p := s.plan
	if p == nil {
		return
	}
	if p.failing.IsZero() {
		why, rest := s.failure()
		if why == "" {
			s.lookBy(p.since.Add(p.timeout))
			return
		}
		if p.own {
			s.abandon(why, rest)
			return
		}
		p.failing, p.why = s.now, why
	}
	p.renominated = p.renominated || s.nominated != p.node
	if at := p.failing.Add(s.graceFor(false)); s.now.Before(at) {
		s.lookBy(at)
		return
	}
	if slices.ContainsFunc(p.moves, func(m moving) bool { return m.open() }) || !p.renominated {
		s.abandon(p.why, resultAbandoned)
		return
	}
	s.exclude(p.node, p.retryAfter) // all is done by who began it
	s.plan = nil
}

// failure says why the plan comes to nothing, "" if it does not, and what that makes of what still goes on.
func (s *step) failure() (why string, rest result) {
	for i := range s.plan.moves {
		if m := &s.plan.moves[i]; m.stage == lost || m.stage == refused {
			return fmt.Sprintf("VM %s could not be moved: %s", m.guest, m.why), resultAbandoned
		}
	}
	if s.now.Sub(s.plan.since) >= s.plan.timeout && slices.ContainsFunc(s.plan.moves, func(m moving) bool { return m.stage != moved }) {
		return fmt.Sprintf("VMs have not moved within %s", s.plan.timeout), resultTimeout
	}
	return "", ""
}

// abandon gives the plan up.
func (s *step) abandon(why string, rest result) {
	p := s.plan
	s.report(tellPreemptor{warning: true, reason: reasonGivenUp, note: fmt.Sprintf("no room on node %s: %s", p.node, why)})
	s.conclude(rest, fmt.Sprintf("does not move to make room for pod %s: %s", s.preemptor, why))
	s.exclude(p.node, p.retryAfter)
	s.expectNoPromise(p.node)
	s.plan, s.active = nil, true
}

// conclude counts what has become of each move, and dooms those that are still open.
func (s *step) conclude(rest result, note string) {
	counts := map[result]int{}
	for i := range s.plan.moves {
		m := &s.plan.moves[i]
		switch m.stage {
		case planned:
			continue
		case moved:
			counts[resultSucceeded]++
			continue
		case lost:
			counts[resultFailed]++
		case refused:
			counts[resultRefused]++
			if m.name.Name != "" { // it may have been written all the same, or may yet be
				s.doom(m.name, doom{guest: m.guest, from: s.now})
			}
		case asking, written, going:
			counts[rest]++
			s.doom(m.name, doom{guest: m.guest, uid: m.uid, from: s.now})
		}
		s.report(tellVM{vm: m.guest, reason: reasonGivenUp, note: note})
	}
	if s.plan.own {
		for _, r := range slices.Sorted(maps.Keys(counts)) {
			s.report(count{r, counts[r]})
		}
	}
}

// succeed ends a plan all of whose moves have been made.
func (s *step) succeed() {
	p := s.plan
	if p == nil || slices.ContainsFunc(p.moves, func(m moving) bool { return m.stage != moved }) {
		return
	}
	s.plan, s.active = nil, true
	if !p.own {
		return // who began it, if that is another process, says so
	}
	names := make([]string, 0, len(p.moves))
	for i := range p.moves {
		names = append(names, p.moves[i].guest.String())
	}
	s.report(tellPreemptor{reason: reasonRoom, note: fmt.Sprintf("there is room on node %s: moved away: %s", p.node, strings.Join(names, ", "))})
	for i := range p.moves {
		s.report(tellVM{vm: p.moves[i].guest, reason: reasonRoom, note: fmt.Sprintf("has moved away from node %s to make room for pod %s", p.node, s.preemptor)})
	}
	s.report(count{resultSucceeded, len(p.moves)})
	s.report(took{s.now.Sub(p.since)})
}
