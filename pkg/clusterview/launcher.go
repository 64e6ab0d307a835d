// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// launcher is a launcher pod on a host, with the size of its guest as it was when the host was read, so that all
// that is computed in a cycle goes by the same sizes. There is one per VM: its size is the view's cost per VM.
type launcher struct {
	vm, pod                 types.UID
	created                 int64 // Unix time in seconds
	vcpus, memory, pageSize int64
	marks                   mark
}

type mark uint8

// What is known of a launcher. The first ones are read from its pod and its VM, the others follow from all launchers
// of the VM.
const (
	dedicated mark = 1 << iota // its guest has dedicated CPUs
	target                     // it was made to receive the VM
	ending                     // it is being deleted
	settled                    // the migration that it was made for is over
	home                       // the VM counts here
	inbound                    // the VM is on its way to here
	outbound                   // the VM is on its way from here

	derived = home | inbound | outbound
)

func (l *launcher) is(m mark) bool { return l.marks&m != 0 }

func (l *launcher) setIf(condition bool, m mark) {
	if condition {
		l.marks |= m
	}
}

func (l *launcher) size() model.Size {
	return model.Size{VCPUs: l.vcpus, DedicatedCPUs: l.is(dedicated), Memory: l.memory, PageSize: l.pageSize}
}

func (l *launcher) setSize(size model.Size) {
	l.vcpus, l.memory, l.pageSize = size.VCPUs, size.Memory, size.PageSize
	l.marks &^= dedicated
	l.setIf(size.DedicatedCPUs, dedicated)
}

func (l *launcher) model() model.Launcher {
	return model.Launcher{
		Pod: l.pod, VM: l.vm, MigrationTarget: l.is(target), Created: time.Unix(l.created, 0), Ending: l.is(ending),
	}
}

// settle decides, for the launchers of one VM, at which of them it counts, and between which of them it is migrating.
// A migration is under way from the launchers that stay to the target at which the VM counts, until the VM is said to
// have moved, or not to move: then one of the two only has not been cleared away yet.
func settle(launchers []*launcher) {
	models := make([]model.Launcher, len(launchers))
	for i, l := range launchers {
		models[i] = l.model()
	}
	homePod := model.Home(models)
	var to *launcher
	leaving := 0
	for _, l := range launchers {
		l.marks &^= derived
		if l.pod == homePod {
			l.marks |= home
			to = l
		}
	}
	if !to.is(target) || to.is(settled) {
		return
	}
	for _, l := range launchers {
		if l != to && !l.is(ending) {
			l.marks |= outbound
			leaving++
		}
	}
	to.setIf(leaving > 0, inbound)
}
