// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
)

// apiAway is for how long the API server is away: longer than the 50 s after which kube-controller-manager calls a node Unknown.
const apiAway = 60 * time.Second

// TestAPIServerAway: the API server goes away for a minute while a node's power is being lost. The incident in progress ends as it
// should, and no other node is taken for failed because nobody could renew a Lease. It is not parallel: the API server is
// everybody's.
func TestAPIServerAway(t *testing.T) {
	s := suite.newStage(t, 3)
	dead := s.nodes[0]
	s.admit(dead)
	s.create(s.newVM("vm"))
	vmi := s.awaitRunning("vm", 2*time.Minute, "")
	s.admit(s.nodes[1:]...)
	watcher := s.PID(build.FailureWatcher)

	s.cutPower(dead)
	stopped := time.Now()
	s.must(s.Stop(build.APIServer))
	back := time.NewTimer(apiAway)
	defer back.Stop()
	select {
	case <-back.C:
	case <-s.ctx.Done():
		t.Fatal(s.ctx.Err())
	}
	s.must(s.Start(s.ctx, build.APIServer))
	s.apiServerWasAway(stopped, time.Now())

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
	if now := s.PID(build.FailureWatcher); now != watcher {
		t.Errorf("failure-watcher ran as pid %d before and as %d after: it did not sit the outage out", watcher, now)
	}
	// virt-scheduler ends when it can't renew its lease, as every kube-scheduler does, and is started again.
	for _, name := range []string{build.FailureWatcher, build.VirtScheduler} {
		log, err := os.ReadFile(s.LogPath(name))
		s.must(err)
		if !s.Running(name) || bytes.Contains(log, []byte("panic:")) {
			t.Errorf("%s runs: %v; its log has a panic: %v", name, s.Running(name), bytes.Contains(log, []byte("panic:")))
		}
	}
}
