// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package migratability

import (
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
)

// Cluster is the hosts of a cluster in classes, numbered from 0: the hosts of one class have the same labels.
type Cluster interface {
	// Classes is how many classes there are.
	Classes() int
	// Host is what all hosts of a class are.
	Host(class int) *Host
	// Relation returns what Relate says of two classes; it is a method so that it can be remembered.
	Relation(from, to int) Relation
	// Receivers returns the number of hosts of a class that could take the VM now: healthy, and its owner lets it run
	// there. It may stop to count above the limit that Count is given.
	Receivers(class int) int
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

// Count returns the exits from one class of hosts, exact up to limit other hosts. It looks at each class once, and stops
// when it has found enough. insist has the classes of labels that every host must publish.
func (g *Guest) Count(from int, cluster Cluster, insist fit.Classes, limit int) Exits {
	source := cluster.Host(from)
	if !g.Known(source) {
		return Exits{}
	}
	exits := Exits{Known: true}
	// Its own class first: it is the one that most often has enough.
	if g.CanMove(source, source, cluster.Relation(from, from), insist) {
		exits.Self, exits.Hosts = true, cluster.Receivers(from)
	}
	for to := range cluster.Classes() {
		if exits.Hosts > limit {
			break
		}
		if to != from && g.CanMove(source, cluster.Host(to), cluster.Relation(from, to), insist) {
			exits.Hosts += cluster.Receivers(to)
		}
	}
	return exits
}
