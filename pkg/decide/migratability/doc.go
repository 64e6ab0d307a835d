// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package migratability says to how many other hosts a VM could be
// live-migrated later, from each host that it might be placed on now. It
// compares classes of hosts with equal labels, never host by host. The rules
// are those by which KubeVirt's virt-controller (v1.8.2) steers the target pod
// of a migration: the same CPU vendor, and for a guest that has its host's CPU
// model, that model and the features the host requires of it. It is pure.
package migratability
