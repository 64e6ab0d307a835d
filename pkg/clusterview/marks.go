// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// maxMarks bounds what is remembered between two cycles. Where more has changed, all hosts are read again.
const maxMarks = 4096

// marks collects what changed without any NodeInfo changing. It is written by the goroutines of informers and applied
// by the next refresh.
type marks struct {
	mu    sync.Mutex
	now   changes
	spare changes
}

// changes are VMs and nodes about which something is known anew.
type changes struct {
	vms   map[types.UID]struct{}
	nodes map[string]struct{}
	all   bool
}

func newChanges() changes {
	return changes{vms: map[types.UID]struct{}{}, nodes: map[string]struct{}{}}
}

func newMarks() marks { return marks{now: newChanges(), spare: newChanges()} }

func (m *marks) vm(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.room() {
		m.now.vms[uid] = struct{}{}
	}
}

func (m *marks) node(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.room() {
		m.now.nodes[name] = struct{}{}
	}
}

// everything makes the next refresh read all hosts.
func (m *marks) everything() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = newChanges()
	m.now.all = true
}

// room is false when all is changed already.
func (c *changes) room() bool {
	if len(c.vms)+len(c.nodes) >= maxMarks {
		*c = newChanges() // large maps do not shrink
		c.all = true
	}
	return !c.all
}

// take returns what has changed since it was last called. The caller may use it until it calls take again.
func (m *marks) take() changes {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.now
	clear(m.spare.vms)
	clear(m.spare.nodes)
	m.spare.all = false
	m.now, m.spare = m.spare, taken
	return taken
}
