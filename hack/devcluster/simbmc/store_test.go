// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// A change of the power ends the transition that was under way: its timer, which may fire any time later, does nothing.
func TestChangeEndsTransition(t *testing.T) {
	hw := simhost.Hardware{Name: "a", SystemUUID: "u", SystemID: "1", InitialBootID: "b"}
	s, err := newStore([]simhost.Hardware{hw}, map[string]simhost.Credential{"a": {Username: "u", Password: "p"}}, Delays{})
	if err != nil {
		t.Fatal(err)
	}
	m := s.machines["a"]
	finished, later := false, make(chan struct{})

	s.mu.Lock()
	s.startOff(m, 0, func() { finished = true }) // its timer waits for the lock
	s.setPower(m, simhost.PowerOn)
	s.after(m, 50*time.Millisecond, func() { close(later) })
	s.mu.Unlock()
	<-later

	s.mu.Lock()
	defer s.mu.Unlock()
	if finished || m.state.Power != simhost.PowerOn {
		t.Errorf("power is %s, and the transition finished: %v; want On and false", m.state.Power, finished)
	}
}
