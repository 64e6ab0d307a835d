// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package trace makes the workload of test/quality: which hosts there are, which VMs come and go and when, and the API
// objects that KubeVirt and a kubelet would make of them. README.md of test/quality says what each number rests on.
//
// The same Options give the same Trace, byte for byte. Nothing here knows a scheduler; no client and no clock may come in.
package trace
