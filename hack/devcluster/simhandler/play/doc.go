// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package play decides what the node side of KubeVirt does next: virt-handler, the launchers, and the kubelet as far as
// launcher pods and node objects go. It is pure: what is known comes in as a view, one Step comes out, the caller
// carries it out and asks again. It knows nothing of clients, queues or clocks.
//
// It follows what the programs of KubeVirt v1.8.2 write and when, including what they leave hanging: a program under
// test must not be spared a case that KubeVirt does not solve.
package play
