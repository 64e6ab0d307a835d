// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fencing is the interface between the failure-watcher and what can switch a machine off and tell whether it is.
//
// What lives here: the Driver interface, the registry that finds a node's driver, and the errors that every driver
// reports. Drivers are in packages below; conformance/ is the test suite that each must pass. What may not live here:
// any decision. Whether a reading is about the right machine (pkg/decide/identity), whether readings are a proof, when
// to act and when to give up (pkg/decide/failover) is decided elsewhere; a driver reads, and does what it is told once.
package fencing

import (
	"context"
)

// PowerState is a machine's power as its BMC tells it.
type PowerState string

const (
	// PowerOn is a machine that has power.
	PowerOn PowerState = "On"
	// PowerOff is a machine without power: the only state that can be part of a proof.
	PowerOff PowerState = "Off"
	// PowerTransitional is a machine on its way between the two, or paused: it may still execute instructions.
	PowerTransitional PowerState = "Transitional"
	// PowerUnknown is anything else that a BMC says, or its saying nothing about power.
	PowerUnknown PowerState = "Unknown"
)

// Host maps a node to its BMC.
type Host struct {
	NodeName string
	// Endpoint is the BMC's base URL, https://HOST[:PORT] and nothing more.
	Endpoint string
	// SystemID is the id of the machine's system in the BMC, which may serve several.
	SystemID string
	// CredentialsSecret names what CredentialSource finds the login under.
	CredentialsSecret string
	// CAFile is a PEM file with the certificate authorities for Endpoint, read anew for every use; empty means the
	// system's.
	CAFile string
	// UseSession logs in by a session in place of basic authentication, where the protocol knows both.
	UseSession bool
}

// Reading is what a BMC told about a system in one request chain.
type Reading struct {
	Power PowerState
	// SystemUUID is as the BMC tells it, in whatever byte order and case; empty when it tells none.
	SystemUUID string
	// SystemID and Endpoint say which system of which BMC was read.
	SystemID, Endpoint string
}

// Driver reads and switches machines of one kind. Implementations are safe for concurrent use, never log or return a
// secret, verify whom they talk to, and keep nothing open between calls.
type Driver interface {
	// Name is the driver's name in configuration, records and metrics, e.g. "redfish".
	Name() string
	// Read reads power and identity of the system with the configured id, in one request chain, and changes nothing. It
	// ends within the driver's read timeout. An error is never proof of anything.
	Read(ctx context.Context, node string) (Reading, error)
	// PowerOff asks once for a forced power-off and never again, at no layer. nil means accepted, which proves nothing:
	// read what became of it. An error proves nothing either: unless errors.Is(err, ErrNotSent) the machine may
	// have been switched off nevertheless.
	PowerOff(ctx context.Context, node string) error
	// Configured says whether the driver knows a BMC for the node.
	Configured(node string) bool
}

// CredentialSource finds logins. It is asked for every call of a driver, so that a rotated Secret counts at once.
type CredentialSource interface {
	// Credentials returns the login kept under the Secret's name. Its error must not contain what the Secret contains.
	Credentials(ctx context.Context, secretName string) (username, password string, err error)
}
