// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package incident runs the incidents: for each failed node it reads what is to be read, asks pkg/decide/failover what follows, stores
// the answer in the NodeFailure, and only then writes what was decided. All reads in an incident are quorum reads.
//
// What lives here is glue: reading, storing, writing, telling. A rule about nodes, proofs or VMs belongs to pkg/decide/failover, also what
// must hold at the very moment of a release (lastlook.go) or of a power action (effects.go), for which all is read once more.
package incident
