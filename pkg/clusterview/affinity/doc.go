// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package affinity counts pods per affinity term and topology value, as
// upstream's InterPodAffinity would count them, at a cost that does not grow
// with the number of pods. It answers two questions: how many pods match
// given terms, and which terms of pods match a given pod. It knows pods, node
// labels and terms; what a VM is, and which pods should not count, is for its
// callers. It has no client and no clock. docs/design/0008-vmaffinity.md says
// why it is as it is.
package affinity
