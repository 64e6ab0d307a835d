// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package guests

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Guest is a live guest.
type Guest struct {
	Namespace, VMI string
	VMIUID         types.UID
	// PodUID and PodName are those of the launcher pod that it runs in.
	PodUID  types.UID
	PodName string
	Node    string
	// Boot is the boot id of the machine that it runs on; a machine with another boot id has lost it.
	Boot string
}

// Exit is how a guest ended.
type Exit struct {
	Guest Guest
	At    time.Time
	Why   string
}

// Clean says whether the guest ended in good order, as qemu's exit code would say.
func (e Exit) Clean() bool {
	return e.Why == simhost.WhyShutDown || e.Why == simhost.WhyMigratedOut
}

// World is the machines and the guests on them. It is safe for concurrent use.
type World struct {
	mu       sync.RWMutex
	machines map[string]simhost.HostState
	live     map[types.UID]Guest // by VMI
	moves    map[types.UID]Move  // by VMI
	exits    map[types.UID]Exit  // by launcher pod
	events   []simhost.GuestEvent
	record   func(Entry) error
}

// NewWorld makes an empty world. record is called with every entry of the ledger under the world's lock, in order, and
// may be nil.
func NewWorld(record func(Entry) error) *World {
	if record == nil {
		record = func(Entry) error { return nil }
	}
	return &World{
		machines: map[string]simhost.HostState{},
		live:     map[types.UID]Guest{},
		moves:    map[types.UID]Move{},
		exits:    map[types.UID]Exit{},
		record:   record,
	}
}

// SetMachines takes over the state of the machines and ends the guests of those that have lost power or were booted
// again. It returns the names of the machines that changed, sorted.
func (w *World) SetMachines(hosts []simhost.HostState) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var changed []string
	for _, h := range hosts {
		old, known := w.machines[h.Name]
		if known && sameMachine(old, h) {
			continue
		}
		w.machines[h.Name] = h
		changed = append(changed, h.Name)
	}
	slices.Sort(changed)
	return changed, w.endLostGuests()
}

// sameMachine ignores what does not concern guests and node agents: BMCs and their log.
func sameMachine(a, b simhost.HostState) bool {
	return a.Power == b.Power && a.BootID == b.BootID && a.PowerChangedAt.Equal(b.PowerChangedAt) &&
		a.Kubelet == b.Kubelet && a.VirtHandler == b.VirtHandler && a.Network == b.Network
}

func (w *World) endLostGuests() error {
	var lost []Guest
	for _, g := range w.live {
		if m, ok := w.machines[g.Node]; ok && (!m.Running() || m.BootID != g.Boot) {
			lost = append(lost, g)
		}
	}
	slices.SortFunc(lost, func(a, b Guest) int { return cmp.Compare(a.VMIUID, b.VMIUID) })
	for _, g := range lost {
		if err := w.stop(g, w.machines[g.Node].PowerChangedAt, simhost.WhyPowerOff); err != nil {
			return err
		}
	}
	return nil
}

// Machine returns the state of a machine. One that is not known is off.
func (w *World) Machine(name string) simhost.HostState {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.machines[name]
}

// Guest returns the live guest of a VMI.
func (w *World) Guest(vmi types.UID) (Guest, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	g, ok := w.live[vmi]
	return g, ok
}

// Live returns the live guests for which match is true, in the order of their VMIs' UIDs.
func (w *World) Live(match func(Guest) bool) []Guest {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var out []Guest
	for _, g := range w.live {
		if match(g) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b Guest) int { return cmp.Compare(a.VMIUID, b.VMIUID) })
	return out
}

// Exit returns how the guest of a launcher pod ended, if it did.
func (w *World) Exit(pod types.UID) (Exit, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	e, ok := w.exits[pod]
	return e, ok
}

// Forget drops what is remembered of a launcher pod that is no more in the API, and of the VMI's migration.
func (w *World) Forget(pod types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.exits, pod)
}

// Start boots a guest. It fails when the machine does not run, or a guest of the VMI is live already.
func (w *World) Start(g Guest, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other, ok := w.live[g.VMIUID]; ok {
		return fmt.Errorf("guest of VMI %s/%s is live already on %s", g.Namespace, g.VMI, other.Node)
	}
	m, ok := w.machines[g.Node]
	if !ok || !m.Running() {
		return fmt.Errorf("machine %s of VMI %s/%s does not run", g.Node, g.Namespace, g.VMI)
	}
	g.Boot = m.BootID
	return w.start(g, at, simhost.WhyPodStarted)
}

// Stop ends the guest of a VMI, if one is live in that launcher pod.
func (w *World) Stop(vmi, pod types.UID, at time.Time, why string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, ok := w.live[vmi]
	if !ok || g.PodUID != pod {
		return nil
	}
	return w.stop(g, at, why)
}

func (w *World) start(g Guest, at time.Time, why string) error {
	w.live[g.VMIUID] = g
	return w.append(g, at, simhost.GuestStarted, why)
}

func (w *World) stop(g Guest, at time.Time, why string) error {
	delete(w.live, g.VMIUID)
	w.exits[g.PodUID] = Exit{Guest: g, At: at, Why: why}
	return w.append(g, at, simhost.GuestStopped, why)
}
