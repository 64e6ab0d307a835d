// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
)

// apiAway is for how long the API server is away.
const apiAway = 30 * time.Second

// TestAPIServerAway: the API server goes away for 30 s while a node's power is being lost. The incident in progress ends as it
// should, and no other node is taken for failed because nobody could renew a Lease. It is not parallel: the API server is
// everybody's.
func TestAPIServerAway(t *testing.T) {
	s := suite.newStage(t, 3)
	dead := s.nodes[0]
	s.admit(dead)
	s.create(s.newVM("vm"))
	vmi := s.awaitRunning("vm", 2*time.Minute, "")
	s.admit(s.nodes[1:]...)
	watcher, scheduler := s.PID(build.FailureWatcher), s.PID(build.VirtScheduler)

	s.cutPower(dead)
	s.must(s.Stop(build.APIServer))
	back := time.NewTimer(apiAway)
	defer back.Stop()
	select {
	case <-back.C:
	case <-s.ctx.Done():
		t.Fatal(s.ctx.Err())
	}
	s.must(s.Start(s.ctx, build.APIServer))

	s.awaitRunning("vm", 4*time.Minute, vmi.UID)
	s.awaitFailure(dead, "to be settled", time.Minute, settled)
	for _, h := range s.Hosts() {
		if h.Name == dead || h.Spare {
			continue
		}
		all, err := s.failures(h.Name)
		s.must(err)
		for _, nf := range all {
			t.Errorf("%s lives and was taken for failed: %s", h.Name, describe(&nf))
		}
		if n := s.powerActions(h.Name); n != 0 {
			t.Errorf("%d power actions on %s, which lives", n, h.Name)
		}
	}
	for name, before := range map[string]int{build.FailureWatcher: watcher, build.VirtScheduler: scheduler} {
		if now := s.PID(name); now != before {
			t.Error(fmt.Sprintf("%s ran as pid %d before and as %d after: it did not survive the outage", name, before, now))
		}
	}
}
