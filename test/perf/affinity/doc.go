// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package affinity has topics for scheduler_perf, upstream's benchmark of a scheduler with a real API server and etcd: launcher
// pods in groups that must be apart, with InterPodAffinity and with VMAffinity in its place. make bench-scheduler-perf runs it.
// What a cycle costs is better seen in test/perf/cycle, where the API server's CPU does not count; this shows the throughput
// that remains of it in the whole.
package affinity
