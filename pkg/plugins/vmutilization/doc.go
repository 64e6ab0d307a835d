// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vmutilization is plugin VMUtilization: it keeps hosts from being
// filled with VMs beyond their caps, and scores them by how utilised they are
// as guests see it, with the VM to be placed among them. README.md describes it
// to users, docs/design/0003-vmutilization.md why it is as it is. What is
// decided from the numbers is in pkg/decide/rank.
package vmutilization
