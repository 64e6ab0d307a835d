// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster brings an embedded cluster up and takes it down: a real
// Kubernetes and KubeVirt control plane, simulated machines, virt-scheduler and
// failure-watcher, all as processes on 127.0.0.1. It is the library behind the
// devcluster command, the story and the end-to-end tests.
//
// It decides what runs, with which flags, identities and files, and in which
// order. How processes are supervised is proc's business, what KubeVirt needs
// installed kubevirt's, what a machine looks like hosts'.
package cluster
