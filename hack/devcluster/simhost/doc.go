// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simhost describes the simulated machines of the embedded cluster: the hosts file that every simulator reads,
// the state of a machine as sim-bmc holds it, and the client of sim-bmc's control API.
//
// It holds the vocabulary that the simulators share and nothing else: no Redfish (that is hack/devcluster/simbmc), no
// Kubernetes, no decision about what a state means for a node or a guest. Nothing under pkg/ or cmd/ may import it but
// tests: the programs under test know machines only through Redfish and the Kubernetes API.
package simhost
