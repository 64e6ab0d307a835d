// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vmis keeps, for one scheduler, what must be known of all VMs, read
// from KubeVirt's VirtualMachineInstances by one stripped informer. It works,
// with less knowledge, in clusters where KubeVirt is not, or not yet,
// installed. It decides nothing and keeps no copy of pods or nodes.
package vmis
