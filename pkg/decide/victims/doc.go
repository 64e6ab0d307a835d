// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package victims decides who makes room for a pod of higher priority, and
// how: which fate a VM may meet (FateOf), which of those that may go have to
// (Choose), where those that move will be at the same time (Rehome), whether
// their moves end in time (InTime), and which node is best (Cost, Offset). It
// is pure and knows neither pods nor filters: VMs, hosts and resources are
// numbers here, and what only the scheduler's plugins can know is asked for
// through interfaces. A VM that can move is never killed.
package victims
