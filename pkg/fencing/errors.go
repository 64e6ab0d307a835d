// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fencing

import "errors"

// The reasons why a driver could not do what it was asked for. A driver's error wraps one of them (errors.Is) and says
// which node, which BMC and, here, what to do. None of them says anything about the machine's power.
var (
	// ErrUnreachable: no complete answer within the timeout.
	ErrUnreachable = errors.New("the BMC does not answer in time: check its address, its network and that it runs")
	// ErrTLS: the BMC could not show that it is the one meant.
	ErrTLS = errors.New("the BMC's certificate cannot be verified: check caFile, the endpoint's name and the certificate's dates")
	// ErrAuth: the login is missing or refused.
	ErrAuth = errors.New("the BMC cannot be logged in to: check username and password in the Secret and the account's rights")
	// ErrNoSuchSystem: the BMC answers and does not know the system.
	ErrNoSuchSystem = errors.New("the BMC has no such system: check systemID against the Id of the machine's system")
	// ErrNotConfigured: the driver knows no BMC for the node.
	ErrNotConfigured = errors.New("no BMC is configured for the node: add it to the fencing section of the configuration")
	// ErrRefused: the BMC answers and does not want to do it.
	ErrRefused = errors.New("the BMC refuses the request: read the power state again, check the account's rights and the BMC's log")
	// ErrProtocol: the BMC answers something that cannot be relied on.
	ErrProtocol = errors.New("the BMC's answer cannot be used: check that the endpoint is the BMC, and its firmware version")
	// ErrNotSent comes in addition to one of the others when PowerOff ended before it asked for anything.
	ErrNotSent = errors.New("no power action was sent")
)
