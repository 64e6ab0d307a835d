// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"slices"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// decoySystem is the id of the ComputerSystem that stands first in every BMC's collection and is not the machine: a
// client that takes "the first system" finds this one, always On.
const decoySystem = "enclosure"

// resetTypes are the ResetType values that the machine's system allows.
var resetTypes = []string{"On", "ForceOn", "ForceOff", "GracefulShutdown", "ForceRestart", "PowerCycle"}

// resetOutcome is what a BMC answers to a reset.
type resetOutcome int

const (
	resetAccepted  resetOutcome = iota
	resetHang                   // the action is under way, the answer never comes
	resetBadValue               // 400: not among the allowable values
	resetConflict               // 409: the machine is in that state already
	resetForbidden              // 400: this system cannot be reset
)

// reset carries out a reset that the named BMC was asked for, and records it whatever becomes of it.
func (s *store) reset(bmc, system, resetType string) resetOutcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.machines[bmc]
	action := simhost.PowerAction{At: time.Now(), System: system, ResetType: resetType, Result: simhost.ResultRefused}
	outcome := resetForbidden
	if system != decoySystem {
		target := s.machines[own.state.BMCServes]
		action.Machine = target.hw.Name
		switch {
		case own.state.BMCFault == simhost.FaultIgnore && slices.Contains(resetTypes, resetType):
			outcome, action.Result = resetAccepted, simhost.ResultIgnored
		default:
			outcome = s.power(target, resetType, own.state.BMCFault)
		}
		if outcome == resetAccepted && action.Result == simhost.ResultRefused {
			action.Result = simhost.ResultAccepted
		}
		if outcome == resetAccepted && own.state.BMCFault == simhost.FaultActThenHang {
			outcome = resetHang
		}
	}
	own.state.PowerActions = append(own.state.PowerActions, action)
	s.bump()
	return outcome
}

// power starts the transition that the reset type asks for. The lock is held.
func (s *store) power(m *machine, resetType, fault string) resetOutcome {
	delay := s.delays.Off
	if fault == simhost.FaultSlowOff {
		delay = s.delays.SlowOff
	}
	off := m.state.Power == simhost.PowerOff
	switch resetType {
	case "On", "ForceOn":
		if !off {
			return resetConflict
		}
		s.startOn(m)
	case "ForceOff":
		if off {
			return resetConflict
		}
		s.startOff(m, delay, func() {})
	case "GracefulShutdown": // the operating system takes its time
		if off {
			return resetConflict
		}
		s.startOff(m, 2*delay, func() {})
	case "ForceRestart", "PowerCycle":
		if off {
			return resetConflict
		}
		s.startOff(m, delay, func() { s.startOn(m) })
	default:
		return resetBadValue
	}
	return resetAccepted
}
