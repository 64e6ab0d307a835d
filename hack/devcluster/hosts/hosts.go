// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package hosts makes the simulated machines of an embedded cluster, and the
// Node objects that their kubelets would register. What happens to a machine
// later is the simulators' business, not known here.
package hosts

import (
	"crypto/sha256"
	"fmt"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Layout says how many machines there are and how large they are.
type Layout struct {
	// Nodes is the number of machines that are Nodes, at least 1.
	Nodes int
	// Zones is the number of zones over which they are spread in turn, at least 1.
	Zones int
	// Spares is the number of powered-off machines that are no Nodes.
	Spares int
	// VCPUs and MemoryGiB are the size of each machine.
	VCPUs, MemoryGiB int
}

// Validate refuses a layout that can't be built.
func (l Layout) Validate() error {
	switch {
	case l.Nodes < 1:
		return fmt.Errorf("nodes: %d, want at least 1", l.Nodes)
	case l.Zones < 1 || l.Zones > l.Nodes:
		return fmt.Errorf("zones: %d, want 1 to the number of nodes (%d)", l.Zones, l.Nodes)
	case l.Spares < 0:
		return fmt.Errorf("spares: %d, want 0 or more", l.Spares)
	case l.VCPUs < 1 || l.MemoryGiB < 1:
		return fmt.Errorf("machine size: %d CPUs, %d GiB, want at least 1 of each", l.VCPUs, l.MemoryGiB)
	}
	return nil
}

// Make returns the machines: node-1 to node-N over the zones in turn, then
// spare-1 to spare-M. Ports of BMCs are not set. The same layout gives the same
// machines, identities included.
func Make(l Layout) []simhost.Hardware {
	machines := make([]simhost.Hardware, 0, l.Nodes+l.Spares)
	for i := range l.Nodes + l.Spares {
		name, spare := fmt.Sprintf("node-%d", i+1), false
		if i >= l.Nodes {
			name, spare = fmt.Sprintf("spare-%d", i-l.Nodes+1), true
		}
		machines = append(machines, simhost.Hardware{
			Name: name,
			Zone: fmt.Sprintf("zone-%d", i%l.Zones+1),
			// As of one vendor: the same id of the system in every BMC.
			SystemID:      "System.Embedded.1",
			SystemUUID:    uuid("system", name),
			InitialBootID: uuid("boot", name),
			CPUs:          l.VCPUs,
			MemoryBytes:   int64(l.MemoryGiB) << 30,
			Spare:         spare,
		})
	}
	return machines
}

// uuid derives a UUID from a kind and a name.
func uuid(kind, name string) string {
	b := sha256.Sum256([]byte("virt-scheduler devcluster/" + kind + "/" + name))
	b[6] = b[6]&0x0f | 0x80 // version 8: made by a rule of one's own (RFC 9562)
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
