// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package moves asks KubeVirt for the live migrations that make room for a
// preemptor, and knows what has become of them: which go on, which hosts were
// given up for which pod, and how many migrations there are at all. All that it
// knows of its own migrations it knows from their labels and annotations, and so
// also after a restart, and in a replica that does not lead.
//
// Which VMs move, and where to, is decided elsewhere. What follows from what
// has happened is in next.go, which is pure; everything else carries it out.
// Nothing in here writes to VMs or their pods: a migration that is not wanted
// any more is deleted, which leaves the VM where it is.
package moves
