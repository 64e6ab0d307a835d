// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import "slices"

// greedy returns a set that makes room, or nil. It takes as many as are needed, and then lets those stay that need not go: kills
// first, then moves, the dearest first.
func (s *search) greedy() (set, error) {
	if s.hopeless() {
		return nil, nil
	}
	gone, room, err := s.grow()
	if err != nil || !room {
		return nil, err
	}
	if gone, err = s.spare(gone, s.killed); err != nil {
		return nil, err
	}
	fewer, err := s.spare(gone, s.movers)
	if err != nil {
		return nil, err
	}
	// As a whole, and not by what follows from a larger set.
	housed, err := s.haveHomes(fewer.and(s.moving))
	if err != nil {
		return nil, err
	}
	if !housed {
		return gone, nil
	}
	return fewer, nil
}

// grow takes all movers that have a home together, then kills, until there is room.
func (s *search) grow() (gone set, room bool, err error) {
	gone = newSet(len(s.all))
	for _, i := range s.movers.index {
		gone.add(i)
		housed, err := s.haveHomes(gone)
		if err != nil {
			return nil, false, err
		}
		if !housed {
			gone.remove(i)
			continue
		}
		if room, err := s.makesRoom(gone); err != nil || room {
			return gone, room, err
		}
	}
	for _, i := range s.killed.index {
		gone.add(i)
		if room, err := s.makesRoom(gone); err != nil || room {
			return gone, room, err
		}
	}
	return gone, false, nil
}

// makesRoom asks whether there is room without these, if they free what is lacking.
func (s *search) makesRoom(gone set) (bool, error) {
	for r, lacking := range s.lacking() {
		for _, i := range gone.members() {
			lacking -= min(s.frees(i, r), lacking)
		}
		if lacking > 0 {
			return false, nil
		}
	}
	return s.fits(gone)
}

// spare lets those of a pool stay that need not go, the dearest first.
func (s *search) spare(gone set, p *pool) (set, error) {
	for _, i := range slices.Backward(p.index) {
		if !gone.has(i) || s.needed.has(i) {
			continue
		}
		fewer := gone.without(i)
		room, err := s.makesRoom(fewer)
		if err != nil {
			return nil, err
		}
		if room {
			gone = fewer
		}
	}
	return gone, nil
}
