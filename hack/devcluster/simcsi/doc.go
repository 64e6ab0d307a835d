// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simcsi is a simulated storage system with a CSI driver's sidecars: it provisions volumes for claims, attaches
// and detaches them as the attach-detach controller asks, and registers the driver on every node.
//
// The storage system keeps one promise that matters: a ReadWriteOnce volume is never attached to two nodes. What is to
// be decided is in pure functions (attach.go, provision.go); the reconcilers carry it out. There is no data. What a
// kubelet does about volumes is sim-virt-handler's.
package simcsi
