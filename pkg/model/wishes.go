// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	corev1 "k8s.io/api/core/v1"
)

// CPU models that name no model: the guest gets what the host has.
const (
	// CPUHostModel is the host's named model; the guest can move to hosts that support that model and the features
	// that the host adds to it. It is KubeVirt's default.
	CPUHostModel = "host-model"
	// CPUHostPassthrough is the host's CPU as it is; the guest can move to equal hosts only.
	CPUHostPassthrough = "host-passthrough"
)

// Wishes is what a guest asks of its host besides room. The zero value asks for nothing. Wishes are shared by all
// VMs that have the same, and are never changed once made.
type Wishes struct {
	// Architecture as Kubernetes names it: "amd64"; "" for any.
	Architecture string
	// CPUModel is CPUHostModel, CPUHostPassthrough, or the name of a model.
	CPUModel string
	// CPUVendor is the vendor that the guest must find, or "".
	CPUVendor string
	// Features the host's CPU must have, sorted.
	Features []string
	// Without are features that the host's CPU must not have, sorted.
	Without []string
	// MachineType as the guest wants it: "q35", "pc-q35-rhel9.6.0"; "" for any.
	MachineType string
	// HyperV are enlightenments that need the host's help, as KubeVirt's labels name them ("vpindex", "synic"), sorted.
	HyperV []string
	// Realtime, SEV, SEVES, SEVSNP, TDX, SecureExecution: what the host must be able to do.
	Realtime, SEV, SEVES, SEVSNP, TDX, SecureExecution bool
	// TSCFrequency, in Hz, is that which the guest's time stamp counter must have, or 0. Hosts that can give it have
	// label scheduling.node.kubevirt.io/tsc-frequency-<Hz>.
	TSCFrequency int64
	// Devices are names of extended resources that are handed to the guest (GPUs, host devices), sorted.
	Devices []string
	// NUMAPassthrough is true when the guest's memory and CPUs must come from the host's NUMA cells one to one. No plugin of
	// ours reads it: what is free in each cell no node says by itself. Where an agent publishes it, NodeResourceTopologyMatch
	// (pkg/plugins/README.md) keeps the launcher pod from hosts whose cells have no room; elsewhere the kubelet refuses the pod.
	NUMAPassthrough bool
	// NodeSelector and NodeAffinity are the owner's own.
	NodeSelector map[string]string
	NodeAffinity *corev1.NodeSelector
}
