// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package config holds the internal form of the arguments of our plugins, kinds
// <Plugin>Args in group kubescheduler.config.k8s.io. Versioned forms, with
// defaults and conversion, live in v1; checks in validation; registration in
// scheme. No behaviour of a plugin may live here.
package config
