// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vmpreemption is plugin VMPreemption, which takes DefaultPreemption's place: it makes room for a pod of higher
// priority by moving VMs to other hosts. Upstream's evaluator drives it, and upstream's plugin, which it embeds, decides
// about pods that are no VMs. Which VM may have to go, and which sets of them are best, is in pkg/decide/victims; the
// migrations are in pkg/moves. README.md describes it to users, docs/design/0009-vmpreemption.md why it is as it is.
package vmpreemption
