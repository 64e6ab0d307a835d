// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "cmp"

// Presence says for what a VM counts at one of its launchers.
type Presence struct {
	// Anti is true where others keep away from the VM, and it from them.
	Anti bool
	// Affinity is true where others come to the VM, and it to them.
	Affinity bool
	// Ahead is true where the VM will be if its migration succeeds: those that leave the same host with it may go there before it.
	Ahead bool
}

// Place is a launcher where it is.
type Place struct {
	Launcher
	// Host is the name of the launcher's host.
	Host string
	// Off is true when the host was proved to be off: nothing runs there.
	Off bool
}

// Presences returns for what a VM counts at each of its launchers, in their order. host is where KubeVirt says that the guest runs,
// or "".
//
// The guest is here: at the launcher on that host; as long as KubeVirt does not say, or names a host without a launcher, at the oldest one
// that is not being deleted. The VM counts there, and, for anti-affinity, at every launcher that was made later, until that is
// gone: the guest may arrive there, and if it does not, it must not find that another has taken its place at the source. A launcher that
// was made earlier has been left.
func Presences(places []Place, host string) []Presence {
	presences := make([]Presence, len(places))
	here := here(places, host)
	if here < 0 {
		return presences
	}
	for i, p := range places {
		switch {
		case p.Off:
		case i == here:
			presences[i] = Presence{Anti: true, Affinity: true}
		case later(p, places[here]):
			presences[i] = Presence{Anti: true, Ahead: p.MigrationTarget}
		}
	}
	return presences
}

// here returns the index of the launcher that has the guest, or -1.
func here(places []Place, host string) int {
	best := -1
	better := func(a, b Place) bool {
		return cmp.Or(
			compareBool(a.Host == host && host != "", b.Host == host && host != ""),
			compareBool(b.Ending, a.Ending),
			compareBool(later(b, a), later(a, b)),
		) > 0
	}
	for i := range places {
		if best < 0 || better(places[i], places[best]) {
			best = i
		}
	}
	return best
}

// later is true when a launcher was made after another, of which one is a target: creation times are whole seconds.
func later(a, b Place) bool {
	return cmp.Or(
		a.Created.Compare(b.Created),
		compareBool(a.MigrationTarget, b.MigrationTarget),
		cmp.Compare(a.Pod, b.Pod),
	) > 0
}
