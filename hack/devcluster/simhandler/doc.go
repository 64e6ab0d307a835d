// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simhandler is the simulated node side of KubeVirt in the embedded cluster: virt-handler, launchers and
// guests on all machines, and the kubelet as far as launcher pods, reboots and volumes in use go.
//
// This package is the glue: informers, one work queue, the identities that the agents write with, the HTTP endpoints.
// What happens next is decided in package play; what is true of machines and guests is held in package guests. Every
// write is made in the name of the agent that would make it: kubelets as system:node:NAME, virt-handlers as KubeVirt's
// ServiceAccount, so that RBAC, KubeVirt's webhooks and the audit log see what they would see.
package simhandler
