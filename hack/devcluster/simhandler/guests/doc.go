// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guests holds the ground truth of the simulated node side: which guest (a qemu process, if there were one)
// runs in which launcher pod on which machine, and the append-only ledger of how that came about.
//
// It behaves like physics: a guest ends the moment its machine loses power, whoever believes otherwise; a machine that
// is only cut off from the network keeps its guests; a migration's switch-over is one atomic pair of entries. It has
// no clock and no client: times and machine states are handed in. What Kubernetes or KubeVirt thinks of a guest does
// not belong here (that is package play).
package guests
