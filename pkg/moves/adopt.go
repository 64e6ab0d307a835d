// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// adopt finds, by what the migrations say themselves, plans that this process knows nothing of: after a restart, and while another one leads.
func (s *step) adopt() {
	strange := map[string][]*migration{} // by the node on which they make room
	for _, m := range s.migrations {
		switch {
		case !s.wanted(m):
		case s.plan != nil && s.plan.failing.IsZero() && s.plan.node == m.ours.node:
			s.join(m)
		default:
			strange[m.ours.node] = append(strange[m.ours.node], m)
		}
	}
	if len(strange) == 0 || s.plan != nil && !s.plan.failing.IsZero() {
		return
	}
	// A scheduler begins a plan for another node only when it has given up the one before: the newest counts.
	nodes := slices.SortedFunc(maps.Keys(strange), func(a, b string) int {
		return cmp.Or(newest(strange[b]).Compare(newest(strange[a])), cmp.Compare(a, b))
	})
	if s.plan == nil || !s.plan.own && newest(strange[nodes[0]]).After(newest(s.planned())) {
		if s.plan != nil {
			s.leave(s.planned())
		}
		s.take(strange[nodes[0]])
		nodes = nodes[1:]
	}
	for _, node := range nodes {
		s.leave(strange[node])
	}
}

// take makes a plan of what was found.
func (s *step) take(found []*migration) {
	s.plan = &plan{node: found[0].ours.node, since: s.now, timeout: found[0].ours.timeout, retryAfter: DefaultRetryAfter}
	for _, m := range found {
		s.join(m)
	}
	s.lookBy(s.now.Add(s.plan.timeout))
}

// join makes a migration a part of the plan.
func (s *step) join(m *migration) {
	known := s.plan.move(m.ours.vmi)
	switch {
	case known == nil:
		s.plan.moves = append(s.plan.moves, moving{guest: m.guest(), stage: going, name: m.key(), uid: m.UID})
	case known.stage == planned:
		known.stage, known.name, known.uid = going, m.key(), m.UID
	}
}

// leave dooms migrations for this preemptor that are of no plan. Whoever wants them may see soon that nobody else does.
func (s *step) leave(left []*migration) {
	for _, m := range left {
		s.doom(m.key(), doom{
			guest: m.guest(), uid: m.UID, from: s.now.Add(s.graceFor(false)),
			tell: fmt.Sprintf("does not move to make room for pod %s: room is made on another node", s.preemptor),
		})
	}
}

// planned are the migrations of the plan that are seen.
func (s *step) planned() (seen []*migration) {
	for i := range s.plan.moves {
		if m := s.byName[s.plan.moves[i].name]; m != nil && m.live() {
			seen = append(seen, m)
		}
	}
	return seen
}

func newest(migrations []*migration) (at time.Time) {
	for _, m := range migrations {
		if m.created().After(at) {
			at = m.created()
		}
	}
	return at
}

func (s *step) doom(name types.NamespacedName, d doom) {
	d.until = d.from.Add(s.late)
	if s.doomed == nil {
		s.doomed = map[types.NamespacedName]doom{}
	}
	s.doomed[name] = d
}

// wanted is true for a migration that goes on and is not doomed.
func (s *step) wanted(m *migration) bool {
	d, doomed := s.doomed[m.key()]
	return m.live() && (!doomed || d.uid != "" && d.uid != m.UID)
}

// removeDoomed has deleted what is not wanted any more, until it is seen to be.
func (s *step) removeDoomed() {
	for _, name := range slices.SortedFunc(maps.Keys(s.doomed), func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) }) {
		d, m := s.doomed[name], s.byName[name]
		switch live := m != nil && m.live() && (d.uid == "" || d.uid == m.UID); {
		case live && s.now.Before(d.from):
			s.lookBy(d.from)
		case live:
			s.lookBy(s.removeAgain(name, d, m))
		case !d.asked.IsZero(), m != nil && d.uid == m.UID, !s.now.Before(d.until):
			delete(s.doomed, name) // it ends, or is gone, or was never made
		default:
			s.lookBy(d.until)
		}
	}
}

// removeAgain has a migration deleted, if that was not asked for just now, and returns when to ask again.
func (s *step) removeAgain(name types.NamespacedName, d doom, m *migration) time.Time {
	if !d.asked.IsZero() && s.now.Before(d.asked.Add(s.again)) {
		return d.asked.Add(s.again)
	}
	s.removals = append(s.removals, remove{name, m.UID})
	if d.tell != "" {
		s.report(tellVM{d.guest, reasonGivenUp, d.tell})
	}
	d.uid, d.asked, d.tell = m.UID, s.now, ""
	s.doomed[name] = d
	return s.now.Add(s.again)
}

func (s *step) exclude(node string, retryAfter time.Duration) {
	if s.excluded == nil {
		s.excluded = map[string]exclusion{}
	}
	s.excluded[node] = exclusion{since: s.now, until: s.now.Add(retryAfter)}
}

// expire ends exclusions whose time is over; the preemptor is tried again then.
func (s *step) expire() {
	for node, e := range s.excluded {
		if s.now.Before(e.until) {
			s.lookBy(e.until)
			continue
		}
		delete(s.excluded, node)
		s.active = true
	}
}

func (s *step) expectNoPromise(node string) {
	if s.promises == nil {
		s.promises = map[string]promise{}
	}
	s.promises[node] = promise{until: s.now.Add(s.settle)}
}

// keepNoPromise has nominations cleared that are left on nodes that were given up.
func (s *step) keepNoPromise() {
	if s.presence != waiting {
		return // if it is seen to wait again, it may be nominated still
	}
	for _, node := range slices.Sorted(maps.Keys(s.promises)) {
		p := s.promises[node]
		switch {
		case s.plan != nil && s.plan.node == node:
			delete(s.promises, node) // it is promised anew
			continue
		case s.nominated == node:
			if p.asked.IsZero() || !s.now.Before(p.asked.Add(s.again)) {
				s.clearings = append(s.clearings, unnominate{node})
				p.asked = s.now
			}
			s.promises[node] = p
			s.lookBy(p.asked.Add(s.again))
		case !s.now.Before(p.until):
			delete(s.promises, node)
		default:
			s.lookBy(p.until)
		}
	}
}
