// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package adapt makes values of pkg/model out of pods, nodes and
// VirtualMachineInstances. It decides nothing. It reads what it is given;
// where VirtualMachineInstances come from is package vmis below it.
package adapt
