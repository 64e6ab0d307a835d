// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crdwatch reads one custom resource of a cluster, from whenever its
// API is there. kube-scheduler would wait for an informer of its own to sync,
// and without the CRD schedule nothing; this one waits beside it. What is done
// with the objects is not known here.
package crdwatch
