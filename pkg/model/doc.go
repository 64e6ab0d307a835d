// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package model holds the nouns that every decision shares: a VM and what its
// guest sees, its launcher pods, what a host offers to guests. It is pure: no
// client, clock, logger or scheduler type may come in here. Values are made
// from API objects in pkg/adapt.
package model
