// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fit says whether a host can hold a VM, room aside: whether its
// virt-handler lives, and whether its labels and devices are what the guest
// wishes. The rules for labels are those by which KubeVirt's virt-controller
// writes node selectors, and its node-labeller labels (v1.8.2). It is pure:
// where labels, heartbeats and wishes come from is found out elsewhere.
package fit
