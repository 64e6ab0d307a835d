// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rank says how good a host is for a VM by how utilised the host would
// be, as guests see it. It is pure: numbers in, numbers out. Which VMs and
// hosts there are is found out elsewhere (pkg/adapt), and so is what may run
// where at all.
package rank
