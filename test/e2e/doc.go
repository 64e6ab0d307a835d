// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e judges the whole product on the embedded cluster: the real etcd, kube-apiserver, kube-controller-manager and
// KubeVirt control plane, with our scheduler and watcher under their own ServiceAccounts. One cluster serves all tests; each
// test has its own namespace and its own pool of nodes. What is asserted is read from the API server, its audit log and the
// guests' ledger, never from our own logs.
//
// Only tests live here.
package e2e
