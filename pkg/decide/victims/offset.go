// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"hash/fnv"

	"k8s.io/apimachinery/pkg/types"
)

// Offset returns with which of n nodes, from 0 on, the search for candidates begins for a preemptor: always with the same,
// and for many preemptors with each about equally often. 0 when there are none.
func Offset(preemptor types.UID, n int) int {
	if n <= 0 {
		return 0
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(preemptor)) // never fails
	return int(hash.Sum64() % uint64(n))
}
