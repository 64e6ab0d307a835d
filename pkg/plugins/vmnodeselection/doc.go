// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vmnodeselection is plugin VMNodeSelection: it keeps VMs away from
// hosts whose virt-handler does not live, which are treated as failed, or which
// lack what the guest wishes, and prefers hosts from which the VM can be
// live-migrated later. README.md describes it to users,
// docs/design/0007-vmnodeselection.md why it is as it is. What is decided from
// labels is in pkg/decide/fit and pkg/decide/migratability.
package vmnodeselection
