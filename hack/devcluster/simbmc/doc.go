// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simbmc simulates machines and their BMCs: one Redfish service over HTTPS per machine, all in one process, and
// the control API through which tests break them. It holds the truth about which simulated machine has power.
//
// What lives here: power and boot of a machine, the Redfish resources that a fencing client touches, the faults of
// simhost. What may not: anything about nodes, pods or guests (sim-virt-handler draws those conclusions), and any
// leniency towards the driver under test: what real BMCs refuse is refused here.
package simbmc
