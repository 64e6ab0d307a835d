// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pack packs items into bins with all of them known beforehand: what a scheduler, which sees one VM at a time, is
// compared with. It is pure: numbers in, numbers out; it knows neither VMs nor hosts.
package pack
