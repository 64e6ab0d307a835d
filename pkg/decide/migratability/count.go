// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package migratability

import (
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
)

// Class is hosts whose labels are the same.
type Class struct {
	Host *Host
	// Receivers is the number of hosts of the class that could take the VM now: healthy, and the VM's owner lets it run
	// there. A number above the limit of Count may be given as any number above it.
	Receivers int
}

// Exits is what a host of a class offers to the VM for later.
type Exits struct {
	// Known is false when the hosts of the class say too little of themselves.
	Known bool
	// Hosts is the number of receivers to which the VM could be migrated, the host where it is included if that is one
	// itself and Self is true; exact up to the limit, and above it any number above it.
	Hosts int
	// Self is true when the VM could be migrated to another host of the same class.
	Self bool
}

// Others returns the number of other hosts, at most limit, that could receive the VM from a host of the class.
// receiver says whether that host is one of the class's receivers, and so was counted.
func (e Exits) Others(receiver bool, limit int) int {
	others := e.Hosts
	if receiver && e.Self {
		others--
	}
	return min(others, limit)
}

// Count returns the exits from one class of hosts, exact up to limit other hosts. It looks at each class once and stops
// when it has found enough. relate must return what Relate says; it is a parameter so that it can be remembered.
func (g *Guest) Count(from int, classes []Class, relate func(from, to int) Relation, insist fit.Classes, limit int) Exits {
	source := classes[from].Host
	if source == nil || !g.Known(source) {
		return Exits{}
	}
	exits := Exits{Known: true, Self: g.CanMove(source, source, relate(from, from), insist)}
	for to := range classes {
		target := classes[to]
		if target.Host == nil || target.Receivers == 0 || !g.CanMove(source, target.Host, relate(from, to), insist) {
			continue
		}
		exits.Hosts += target.Receivers
		if exits.Hosts > limit {
			break
		}
	}
	return exits
}
