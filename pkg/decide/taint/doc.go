// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package taint decides what a host's taints and conditions mean to a VM,
// beyond what they mean to any pod: whether a toleration is good enough to let
// a VM in, and how clean the host is. It decides nothing that upstream's
// TaintToleration decides: a taint that nothing tolerates is not its business.
package taint
