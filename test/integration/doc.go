// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration runs the real scheduler against a real API server in the
// test's own process. The one program that it needs is etcd, from
// _output/bin (made by `make test-integration`) or named by VIRT_SCHEDULER_ETCD.
// There is no kubelet and no KubeVirt here; whole stories are test/e2e's.
package integration
