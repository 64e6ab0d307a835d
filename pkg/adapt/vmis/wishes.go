// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	"encoding/json"
	"sync"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// maxShared bounds the table of wishes. There are few different ones in a cluster; where each VM has its own, sharing is
// of no use, and the table begins anew when it is full.
const maxShared = 4096

// wishTable makes VMs that ask for the same share one model.Wishes: that saves memory, and makes comparing two a
// comparison of pointers.
type wishTable struct {
	mu     sync.Mutex
	shares map[string]*model.Wishes
}

func (t *wishTable) shared(wishes *model.Wishes) *model.Wishes {
	key, err := json.Marshal(wishes)
	if err != nil {
		return wishes // strings, numbers and maps of strings: it cannot fail, and if it does nothing is shared
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.shares[string(key)]; ok {
		return known
	}
	if len(t.shares) >= maxShared || t.shares == nil {
		t.shares = map[string]*model.Wishes{}
	}
	t.shares[string(key)] = wishes
	return wishes
}
