// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plot is the part of the story that needs no cluster: which VirtualMachines there are and how large the hosts must
// be, what each runStrategy makes due when a node dies, whether that is what happened, and how it is shown.
//
// Its judgement is its own: what is due and whether it happened is derived from runStrategies, the API and the guests'
// ledger; the failure-watcher's record is compared with that, never believed. No client, no clock and no output but to an
// io.Writer may come in here.
package plot
