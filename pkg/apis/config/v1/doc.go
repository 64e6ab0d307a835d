// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1 holds version v1 of the arguments of our plugins, as users write
// them in a KubeSchedulerConfiguration: types, defaults, and conversion to and
// from the internal form. Defaults are set here and nowhere else.
package v1
