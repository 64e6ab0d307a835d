// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package story is `devcluster run`: it brings an embedded cluster up, has VirtualMachines placed, cuts the power of a node,
// shows how its VMs are rescued and the node is taken in again, and judges the end by the API and by the guests' ledger.
//
// Here is what talks to a cluster and to people. What can be decided without either is in story/plot.
package story
