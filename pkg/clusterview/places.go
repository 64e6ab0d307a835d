// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// places knows on which hosts a VM has launchers: one entry per launcher.
type places struct {
	first map[types.UID]*slot
	// more holds further launchers: few VMs have any.
	more map[types.UID][]*slot
}

func newPlaces() places {
	return places{first: map[types.UID]*slot{}, more: map[types.UID][]*slot{}}
}

func (p *places) add(vm types.UID, s *slot) {
	if _, ok := p.first[vm]; ok {
		p.more[vm] = append(p.more[vm], s)
		return
	}
	p.first[vm] = s
}

// remove forgets one launcher of a VM on a host. The entry of a VM's last launcher is deleted also when another comes
// in the same refresh: its key is a string of a pod that may be gone, and would keep it in memory.
func (p *places) remove(vm types.UID, s *slot) {
	more := p.more[vm]
	if p.first[vm] == s {
		if len(more) == 0 {
			delete(p.first, vm)
			return
		}
		p.first[vm] = more[0]
		s = more[0]
	}
	if i := slices.Index(more, s); i >= 0 {
		more = slices.Delete(more, i, i+1)
	}
	if len(more) == 0 {
		delete(p.more, vm)
		return
	}
	p.more[vm] = more
}

// several is true for a VM that has more than one launcher on hosts.
func (p *places) several(vm types.UID) bool {
	return len(p.more) > 0 && len(p.more[vm]) > 0
}

// of appends the hosts on which a VM has launchers, each once.
func (p *places) of(vm types.UID, to []*slot) []*slot {
	first, ok := p.first[vm]
	if !ok {
		return to
	}
	to = append(to, first)
	if len(p.more) == 0 {
		return to
	}
	for _, s := range p.more[vm] {
		if !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	return to
}
