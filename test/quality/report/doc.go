// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report judges where a scheduler has put the VMs of a trace, and shows it: as a table, as JSON, as plots, and as
// the part of docs/profiles.md between the markers. It measures what guests see (vCPUs and memory against what hosts have)
// and not what pods request. It runs nothing.
package report
