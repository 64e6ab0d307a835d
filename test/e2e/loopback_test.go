// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/prometheus/procfs"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
)

// TestLoopbackOnly: nothing that the embedded cluster starts can be reached from another machine.
func TestLoopbackOnly(t *testing.T) {
	state, err := proc.Load(clusterDir)
	if err != nil {
		t.Fatal(err)
	}
	listening := map[string]int{}
	for _, r := range state.Live() {
		addresses, err := listeners(r.PID)
		if err != nil {
			t.Errorf("%s (pid %d): %v", r.Name, r.PID, err)
		}
		for _, a := range addresses {
			listening[r.Name]++
			if !a.IP.IsLoopback() {
				t.Errorf("%s (pid %d) listens on %s, want loopback addresses only", r.Name, r.PID, a)
			}
		}
	}
	// All of these serve something: where none was found the search is wrong.
	for _, name := range []string{
		build.Etcd, build.APIServer, build.ControllerManager, build.VirtAPI, build.VirtController, build.KWOK,
		build.SimBMC, build.SimVirtHandler, build.VirtScheduler, build.FailureWatcher,
	} {
		if listening[name] == 0 {
			t.Errorf("no listening socket of %s was found (all: %v)", name, listening)
		}
	}
	if bmcs := len(suite.Hosts()); listening[build.SimBMC] < bmcs {
		t.Errorf("%d listening sockets of %s were found, want at least one for each of %d BMCs", listening[build.SimBMC], build.SimBMC, bmcs)
	}
}

// listeners returns what a process listens on by TCP.
func listeners(pid int) ([]*net.TCPAddr, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return nil, err
	}
	targets, err := process.FileDescriptorTargets()
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, target := range targets {
		own[target] = true
	}
	// As the process sees its network, should it have one of its own.
	fs, err := procfs.NewFS(filepath.Join(procfs.DefaultMountPoint, strconv.Itoa(pid)))
	if err != nil {
		return nil, err
	}
	v4, err := fs.NetTCP()
	if err != nil {
		return nil, err
	}
	v6, err := fs.NetTCP6()
	if err != nil {
		return nil, err
	}
	const listen = 0x0a // TCP_LISTEN of the kernel
	var found []*net.TCPAddr
	for _, s := range append(v4, v6...) {
		if s.St == listen && own[fmt.Sprintf("socket:[%d]", s.Inode)] {
			found = append(found, &net.TCPAddr{IP: s.LocalAddr, Port: int(s.LocalPort)})
		}
	}
	return found, nil
}
