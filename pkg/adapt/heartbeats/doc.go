// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package heartbeats knows, for one scheduler, when each node's virt-handler
// was last heard of: KubeVirt writes annotation kubevirt.io/heartbeat every 60
// to 132 s. What the annotation says is a time of the node's clock, and never
// compared with ours; what counts is when we saw it change. It decides
// nothing: how old is too old is said by who asks.
package heartbeats
