// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package conformance is the test suite that every fencing driver has to pass against hardware, real or simulated.
//
// A driver's test supplies a Rig: a BMC with a machine behind it that can be broken on command. Only what holds for
// every driver and every protocol belongs here; what is peculiar to one is tested beside it.
package conformance

import (
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

// Node is the node that the rig's machine is.
const Node = "node-under-test"

// Fault is a way in which a BMC or the way to it fails.
type Fault string

// The faults that a rig must be able to produce.
const (
	// Works is no fault; it ends the one before.
	Works Fault = "works"
	// Unreachable: connections are refused or cut off.
	Unreachable Fault = "unreachable"
	// Hangs: requests are taken and never answered.
	Hangs Fault = "hangs"
	// HangsOnConnect: connections are taken and nothing is ever said.
	HangsOnConnect Fault = "hangs-on-connect"
	// Errors: every request fails inside the BMC.
	Errors Fault = "errors"
	// Ignores: power actions are accepted and not carried out.
	Ignores Fault = "ignores"
	// ActsThenHangs: power actions are carried out and never answered.
	ActsThenHangs Fault = "acts-then-hangs"
	// Impostor: the BMC cannot prove who it is.
	Impostor Fault = "impostor"
	// NoUUID: the machine's identity is not told.
	NoUUID Fault = "no-uuid"
	// SwappedUUID: the identity is told in the other byte order.
	SwappedUUID Fault = "swapped-uuid"
)

// Power is the state that a rig's machine is put into.
type Power string

// The states of a rig's machine.
const (
	On          Power = "On"
	Off         Power = "Off"
	PoweringOff Power = "PoweringOff"
)

// Setup says in what a driver's configuration deviates from the right one.
type Setup struct {
	// ReadTimeout of the driver.
	ReadTimeout time.Duration
	// UnknownSystem configures an id that the BMC does not have.
	UnknownSystem bool
	// Credentials takes the place of the rig's own source, unless nil.
	Credentials fencing.CredentialSource
}

// Login is a username and a password.
type Login struct{ Username, Password string }

// Rig is a BMC with a machine. It starts working, the machine On, and ends with the test.
type Rig interface {
	// NewDriver makes a driver that knows the machine as Node and gets the login from the rig's source.
	NewDriver(t *testing.T, setup Setup) fencing.Driver
	// Endpoint, SystemID and SystemUUID are what a reading of the machine must name.
	Endpoint() string
	SystemID() string
	SystemUUID() string
	// SetPower puts the machine into a state at once, where it stays.
	SetPower(t *testing.T, power Power)
	// WaitOff waits until the machine is off, and fails the test if it never is.
	WaitOff(t *testing.T)
	// IsOff says whether the machine is off, without asking the driver under test.
	IsOff(t *testing.T) bool
	// Break makes the BMC fail.
	Break(t *testing.T, fault Fault)
	// Forced and Others count the power actions that the BMC was ever asked for: forced power-offs of the machine, and
	// everything else, such as other kinds and other systems.
	Forced(t *testing.T) int
	Others(t *testing.T) int
	// ChangeLogin changes the BMC's login; StoreLogin changes what the rig's source tells.
	ChangeLogin(t *testing.T, login Login)
	StoreLogin(t *testing.T, login Login)
	// CurrentLogin is the BMC's login.
	CurrentLogin(t *testing.T) Login
	// Leftovers counts what drivers have left open at the BMC: connections and sessions.
	Leftovers(t *testing.T) int
}
