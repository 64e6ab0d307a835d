// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package profiles holds what the shipped profiles are compared with: kube-scheduler's default, and OpenShift's three as
// OpenShift has them. The files are configurations of kube-scheduler; they are loaded strictly.
package profiles
