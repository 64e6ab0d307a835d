// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build nightly

package command

import "testing"

// TestFull is what docs/profiles.md shows: 200 hosts, 4,000 VMs, ten vCPUs per requested CPU.
func TestFull(t *testing.T) {
	assertQuality(t, compare(t), 0.5, 1.1)
}
