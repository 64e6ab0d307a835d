// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pending wakes VMs that wait for a host when something has changed
// that the scheduling queue cannot know: their own VirtualMachineInstance, that
// of another VM which is being migrated, or a NodeFailure. Events of core
// resources are the plugins' own, by queueing hints. It does not judge whether
// the change helps; the next scheduling attempt does.
package pending
