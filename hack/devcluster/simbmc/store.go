// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Delays are how long the simulated hardware takes.
type Delays struct {
	// Off is how long a machine stays PoweringOff after ForceOff.
	Off time.Duration
	// SlowOff takes the place of Off under simhost.FaultSlowOff.
	SlowOff time.Duration
	// On is how long a machine stays PoweringOn.
	On time.Duration
}

// machine is one simulated machine with its BMC. The store's lock guards it.
type machine struct {
	hw         simhost.Hardware
	state      simhost.HostState
	credential simhost.Credential
	sessions   map[string]string // session id to token
	// generation counts what ends a pending power transition, so that a late timer changes nothing.
	generation int
}

// store is the truth about all machines.
type store struct {
	delays Delays
	// onBMCChange is called, outside the lock, when a BMC's connections have to be dropped.
	onBMCChange func(name string)

	mu       sync.Mutex
	machines map[string]*machine
	order    []string
	revision int64
	changed  chan struct{} // closed and replaced at every change
}

func newStore(hosts []simhost.Hardware, credentials map[string]simhost.Credential, delays Delays) (*store, error) {
	if err := (simhost.File{Hosts: hosts}).Validate(); err != nil {
		return nil, err
	}
	now := time.Now()
	s := &store{
		delays:   delays,
		machines: map[string]*machine{},
		// A restarted sim-bmc must not come back with a revision that its clients have seen already.
		revision:    now.UnixMicro(),
		changed:     make(chan struct{}),
		onBMCChange: func(string) {},
	}
	for _, hw := range hosts {
		cred := credentials[hw.Name]
		if cred.Username == "" || cred.Password == "" {
			return nil, fmt.Errorf("credentials: none for machine %q", hw.Name)
		}
		state := simhost.HostState{
			Name: hw.Name, Power: simhost.PowerOn, BootID: hw.InitialBootID, PowerChangedAt: now,
			BMCReachable: true, BMCServes: hw.Name, Kubelet: true, VirtHandler: true, Network: true,
			PowerActions: []simhost.PowerAction{},
		}
		if hw.Spare {
			state.Power, state.Kubelet, state.VirtHandler = simhost.PowerOff, false, false
		}
		s.machines[hw.Name] = &machine{hw: hw, state: state, credential: cred, sessions: map[string]string{}}
		s.order = append(s.order, hw.Name)
	}
	return s, nil
}

// bump announces a change; the lock is held.
func (s *store) bump() {
	s.revision++
	close(s.changed)
	s.changed = make(chan struct{})
}

// snapshot returns the state of all machines and a channel that closes at the next change.
func (s *store) snapshot() (simhost.Snapshot, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := simhost.Snapshot{Revision: s.revision, Hosts: make([]simhost.HostState, 0, len(s.order))}
	for _, name := range s.order {
		snap.Hosts = append(snap.Hosts, s.machines[name].copyState())
	}
	return snap, s.changed
}

func (m *machine) copyState() simhost.HostState {
	state := m.state
	state.PowerActions = slices.Clone(state.PowerActions)
	return state
}

// setPower brings the machine into a power state, now. The lock is held.
func (s *store) setPower(m *machine, power string) {
	m.generation++
	if m.state.Power == power {
		return
	}
	ran := m.state.Running()
	m.state.Power = power
	m.state.PowerChangedAt = time.Now()
	if power == simhost.PowerOn && !ran {
		// A boot: a new boot id, and the init system starts what it should.
		m.state.BootID = newUUID()
		m.state.Kubelet, m.state.VirtHandler = true, true
	}
	s.bump()
}

// after continues a power transition unless something else has happened to the machine's power. The lock is held.
func (s *store) after(m *machine, delay time.Duration, then func()) {
	generation := m.generation
	time.AfterFunc(delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if m.generation == generation {
			then()
		}
	})
}

func (s *store) startOn(m *machine) {
	s.setPower(m, simhost.PoweringOn)
	s.after(m, s.delays.On, func() { s.setPower(m, simhost.PowerOn) })
}

func (s *store) startOff(m *machine, delay time.Duration, then func()) {
	s.setPower(m, simhost.PoweringOff)
	s.after(m, delay, func() {
		s.setPower(m, simhost.PowerOff)
		then()
	})
}

// change carries out a patch of the control API, all of it or nothing.
func (s *store) change(name string, patch simhost.Patch) (simhost.HostState, error) {
	state, dropConnections, err := s.apply(name, patch)
	if dropConnections {
		s.onBMCChange(name)
	}
	return state, err
}

func (s *store) apply(name string, patch simhost.Patch) (_ simhost.HostState, dropConnections bool, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.machines[name]
	if !ok {
		return simhost.HostState{}, false, fmt.Errorf("%w %q", errNoMachine, name)
	}
	if err := s.validate(patch); err != nil {
		return simhost.HostState{}, false, err
	}
	if patch.Power != nil {
		s.setPower(m, *patch.Power)
	}
	set(&m.state.BMCServes, patch.BMCServes)
	set(&m.state.Kubelet, patch.Kubelet) // after the power: a boot starts them, the patch has the last word
	set(&m.state.VirtHandler, patch.VirtHandler)
	set(&m.state.Network, patch.Network)
	dropConnections = set(&m.state.BMCReachable, patch.BMCReachable)
	dropConnections = set(&m.state.BMCFault, patch.BMCFault) || dropConnections
	if patch.BMCCredential != nil {
		m.credential = *patch.BMCCredential
		clear(m.sessions)
	}
	s.bump()
	return m.copyState(), dropConnections, nil
}

func (s *store) validate(patch simhost.Patch) error {
	if p := patch.Power; p != nil && !slices.Contains(
		[]string{simhost.PowerOn, simhost.PowerOff, simhost.PoweringOn, simhost.PoweringOff}, *p) {
		return fmt.Errorf("power %q: want On, Off, PoweringOn or PoweringOff", *p)
	}
	if p := patch.BMCServes; p != nil && s.machines[*p] == nil {
		return fmt.Errorf("bmcServes: %w %q", errNoMachine, *p)
	}
	if p := patch.BMCFault; p != nil && *p != simhost.FaultNone && !slices.Contains(simhost.Faults(), *p) {
		return fmt.Errorf("bmcFault %q: want one of %q or nothing", *p, simhost.Faults())
	}
	if p := patch.BMCCredential; p != nil && (p.Username == "" || p.Password == "") {
		return fmt.Errorf("bmcCredential: username and password must be set")
	}
	return nil
}

// set writes a patched field and says whether that changed it.
func set[T comparable](field *T, to *T) bool {
	if to == nil || *field == *to {
		return false
	}
	*field = *to
	return true
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
