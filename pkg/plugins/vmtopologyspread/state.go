// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtopologyspread

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
)

const stateKey fwk.StateKey = "PreFilter" + Name

// counted is how launchers count in one copy of a cycle's state.
type counted struct {
	// never holds those that do not count.
	never map[types.UID]struct{}
	// group is where launchers of one VM are that are alike: all of them count as one, as long as one is there.
	group map[types.UID]int
	there []int
}

// Clone implements fwk.StateData. Who is there differs from copy to copy.
func (c *counted) Clone() fwk.StateData {
	return &counted{never: c.never, group: c.group, there: slices.Clone(c.there)}
}

// change notes that a pod came (1) or went (-1), and is true when there is one more, or less, to be counted.
func (c *counted) change(pod types.UID, by int) bool {
	if _, never := c.never[pod]; never {
		return false
	}
	group, is := c.group[pod]
	if !is {
		return true
	}
	before := c.there[group]
	c.there[group] += by
	return before == 0 || c.there[group] == 0
}

// apart is a cycle's state in which upstream's plugin finds what it wrote for us, and not what it wrote for a profile that has it
// enabled, too: both use the same keys.
type apart struct{ fwk.CycleState }

func ours(key fwk.StateKey) fwk.StateKey { return Name + "/" + key }

// Read implements fwk.CycleState.
func (s apart) Read(key fwk.StateKey) (fwk.StateData, error) { return s.CycleState.Read(ours(key)) }

// Write implements fwk.CycleState.
func (s apart) Write(key fwk.StateKey, data fwk.StateData) { s.CycleState.Write(ours(key), data) }

// Delete implements fwk.CycleState.
func (s apart) Delete(key fwk.StateKey) { s.CycleState.Delete(ours(key)) }
