// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package watcher is the failure-watcher: what it needs around the pure decisions of pkg/decide/failover. Its parts are
//
//   - observe: since when each node's Lease is unchanged, in time during which the API server answered;
//   - election: one watcher at a time, without ending the process when the lead is lost;
//   - kubevirtapi: quorum reads of launcher pods, VMIs, VMs and migrations;
//   - fencinghealth: are the BMCs readable, and are they the right ones, while nothing is wrong;
//   - incident: the loop observe, decide, store, write;
//   - metrics: the failure_watcher_ metrics.
//
// No decision about a node or a VM may live here: those belong to pkg/decide/failover, where they are tested without a client.
package watcher
