// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

const stateKey fwk.StateKey = "clusterview"

// Cycle is what one scheduling cycle knows of the pod that it places. It is not changed once it is made.
type Cycle struct {
	// VM that the pod holds or is to receive; nil for a pod that is no VM.
	VM *model.VM
	// On are the names of the hosts on which the VM has launchers: its source, for the target pod of a migration.
	On []string
}

// Clone implements fwk.StateData.
func (c *Cycle) Clone() fwk.StateData { return c }

// Without returns a host as it would be without the launchers of the cycle's VM, for which it is looked at.
func (c *Cycle) Without(h *Host) *Host {
	if c.VM == nil || (!h.computed && !slices.Contains(c.On, h.Name)) {
		return h
	}
	return h.without(c.VM.UID)
}

// Begin returns what the scheduling cycle of a pod knows. The first plugin that calls it in a cycle, in PreFilter or
// PreScore, refreshes the view and leaves the answer in the cycle's state for the others.
func (v *View) Begin(_ context.Context, state fwk.CycleState, pod *corev1.Pod) (*Cycle, error) {
	c, ok, err := adapt.ReadState[*Cycle](state, stateKey)
	if ok || err != nil {
		return c, err
	}
	if c, err = v.begin(pod); err != nil {
		return nil, err
	}
	state.Write(stateKey, c)
	return c, nil
}

// Cycle is Begin for extension points that run for many hosts at once, and must not write: it takes what Begin left.
// Where nobody called Begin, as with PreFilter switched off in a profile, the first call of a cycle refreshes the view.
func (v *View) Cycle(_ context.Context, state fwk.CycleState, pod *corev1.Pod) (*Cycle, error) {
	c, ok, err := adapt.ReadState[*Cycle](state, stateKey)
	if ok || err != nil {
		return c, err
	}
	if l := v.loose.Load(); l.is(state, pod) {
		return l.cycle, nil
	}
	v.looseMu.Lock()
	defer v.looseMu.Unlock()
	if l := v.loose.Load(); l.is(state, pod) {
		return l.cycle, nil
	}
	if c, err = v.begin(pod); err != nil {
		return nil, err
	}
	v.loose.Store(&looseCycle{state: state, pod: pod.UID, cycle: c})
	return c, nil
}

// looseCycle is a cycle that could not be left in its state. It is kept until there is another.
type looseCycle struct {
	state fwk.CycleState
	pod   types.UID
	cycle *Cycle
}

func (l *looseCycle) is(state fwk.CycleState, pod *corev1.Pod) bool {
	return l != nil && l.state == state && l.pod == pod.UID
}

func (v *View) begin(pod *corev1.Pod) (*Cycle, error) {
	if err := v.Refresh(); err != nil {
		return nil, err
	}
	c := &Cycle{VM: v.VM(pod)}
	if c.VM == nil {
		return c, nil
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, s := range v.places.of(c.VM.UID, nil) {
		c.On = append(c.On, s.name)
	}
	return c, nil
}
