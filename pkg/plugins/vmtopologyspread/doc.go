// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vmtopologyspread lets a migrating VM count as one VM in topologySpreadConstraints that must be satisfied
// (DoNotSchedule): the verdicts are upstream's PodTopologySpread's, of nodes from which pods of VMs are taken that do
// not count. What is only preferred (ScheduleAnyway) stays with upstream's plugin, and nothing of upstream is here.
// docs/design/0008-vmaffinity.md says which launcher counts where.
package vmtopologyspread
