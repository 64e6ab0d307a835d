// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package failover decides what happens to a failed node and its VMs. Next is a function of the stored record of the
// incident and of what was observed in this pass; it returns the record to store and the effects to apply once that record
// has been acknowledged by the API server (write-ahead). Effects that release anything are returned only when the record
// that came in, the stored one, already holds the proof.
//
// No client, clock, logger or context may appear here: time comes in as a value.
package failover
