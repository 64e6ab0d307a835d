// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the API of the failure-watcher: the cluster-scoped resource NodeFailure, which is the
// stored record of one failure of one node, and FailureWatcherConfiguration, the watcher's configuration file.
// Types, defaults, validation and strict decoding live here; decisions live in pkg/decide/failover, and nothing here
// may import a client.
//
// +kubebuilder:object:generate=true
// +groupName=virt-scheduler.io
package v1alpha1
