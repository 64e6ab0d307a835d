// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rank says whether a host may take a VM under its caps on
// overcommitment, and how good the host is for it by how utilised it would be,
// as guests see it and as pods request. It is pure: numbers in, numbers out.
// Which VMs and hosts there are is found out elsewhere (pkg/adapt,
// pkg/clusterview).
package rank
