// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"cmp"
	"slices"
)

// Houses is where VMs could be instead, as Rehome asks for it. VMs and hosts are the caller's numbers.
type Houses interface {
	// Candidates returns the hosts that may be the home of a VM, best first: those that are not ruled out at a glance. It is
	// called once for each VM, before any is put anywhere.
	Candidates(vm int) ([]int, error)
	// Put puts a VM on a host, if it fits there together with those that have been put before.
	Put(vm, host int) (bool, error)
	// Take undoes the last Put of a VM that fitted.
	Take(vm, host int) error
}

// Rehome looks for homes that several VMs can have at the same time: homes[i] is that of vms[i]. It asks at most puts times
// whether a VM can be put on a host; within that ok is false only if there are no such homes. Whatever it returns,
// everything that it put has been taken away again, unless there was an error: then nothing is known of the houses.
//
// The hardest VM is put first, the one with the fewest candidates. One that turns out to be harder, because it could be put
// nowhere, comes before all others in a second attempt: if it is alone to blame that is found out at once, and not
// again for each place that the others may have. A VM that can only go where another one has gone before has no home
// here: which comes first is not ours to say, for KubeVirt moves them in its own order.
func Rehome(vms []int, houses Houses, puts int) (homes []int, ok bool, err error) {
	r := rehoming{houses: houses, puts: puts, movers: make([]*mover, 0, len(vms))}
	for i, vm := range vms {
		candidates, err := houses.Candidates(vm)
		if err != nil || len(candidates) == 0 {
			return nil, false, err
		}
		r.movers = append(r.movers, &mover{position: i, vm: vm, candidates: candidates})
	}
	slices.SortStableFunc(r.movers, func(a, b *mover) int { return cmp.Compare(len(a.candidates), len(b.candidates)) })
	for {
		r.stuck = nil
		ok, err := r.from(0)
		if err != nil {
			return nil, false, err
		}
		if ok {
			homes := make([]int, len(vms))
			for _, m := range r.movers {
				homes[m.position] = m.home
			}
			return homes, true, nil
		}
		if r.stuck == nil || r.puts <= 0 {
			return nil, false, nil
		}
		r.bringForward(r.stuck)
	}
}

// mover is a VM that looks for a home.
type mover struct {
	position, vm int
	candidates   []int
	home         int
	// forward is true once the VM has been brought forward, which happens once: so the attempts end.
	forward bool
}

type rehoming struct {
	houses Houses
	puts   int
	movers []*mover
	// stuck is a VM that could be put nowhere, and is to be brought forward.
	stuck *mover
}

// from finds homes for all movers from the given one on, and leaves nothing behind.
func (r *rehoming) from(n int) (bool, error) {
	if n == len(r.movers) {
		return true, nil
	}
	m := r.movers[n]
	nowhere := true
	for _, host := range m.candidates {
		if r.puts--; r.puts < 0 {
			return false, nil
		}
		fits, err := r.houses.Put(m.vm, host)
		if err != nil {
			return false, err
		}
		if !fits {
			continue
		}
		nowhere = false
		ok, err := r.from(n + 1)
		if err != nil {
			return false, err
		}
		if err := r.houses.Take(m.vm, host); err != nil {
			return false, err
		}
		if ok {
			m.home = host
			return true, nil
		}
		if r.stuck != nil || r.puts < 0 {
			return false, nil
		}
	}
	if nowhere && n > 0 && !m.forward {
		r.stuck = m
	}
	return false, nil
}

// bringForward puts a VM before all others, which keep their order.
func (r *rehoming) bringForward(m *mover) {
	m.forward = true
	i := slices.Index(r.movers, m)
	copy(r.movers[1:i+1], r.movers[:i])
	r.movers[0] = m
}
