// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vmtainttoleration is plugin VMTaintToleration. It comes on top of
// upstream's TaintToleration: a VM is kept off hosts that it tolerates only
// because it tolerates everything, or only for a while, and cleaner hosts come
// first. README.md describes it to users. What is decided from taints and
// tolerations is in pkg/decide/taint; here is only what connects it to the
// scheduler.
package vmtainttoleration
