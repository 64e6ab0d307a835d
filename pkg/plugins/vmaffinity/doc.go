// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vmaffinity is plugin VMAffinity, which takes the place of
// kube-scheduler's InterPodAffinity: the same API and the same answers for
// pods, and for VMs an affinity that knows that a migrating VM is one VM. It
// counts nothing itself: pkg/clusterview/affinity counts pods, and this
// package corrects what that says of the few VMs that do not simply count.
// README.md describes it to users, docs/design/0008-vmaffinity.md why it is as
// it is.
package vmaffinity
