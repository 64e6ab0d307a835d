// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build nightly

package vmaffinity

// rounds of as many clusters as rapid draws, 100 by default, for each population: 105,000 clusters.
const rounds = 350
