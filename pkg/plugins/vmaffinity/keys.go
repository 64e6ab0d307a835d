// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"maps"
	"sync"
	"sync/atomic"
)

// maxKeys bounds how many topology keys are remembered. Beyond it all count as remembered.
const maxKeys = 64

// keys are the topology keys by which pods on hosts have kept others away. Hints need them: a change of a node's labels
// is of interest to a pod without terms of its own only when it changes one of these. Keys are remembered for ever; there
// are few.
type keys struct {
	known atomic.Pointer[map[string]struct{}]
	mu    sync.Mutex
	all   atomic.Bool
}

func (k *keys) has(key string) bool {
	if k.all.Load() {
		return true
	}
	known := k.known.Load()
	if known == nil {
		return false
	}
	_, ok := (*known)[key]
	return ok
}

func (k *keys) add(key string) {
	if k.has(key) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	next := map[string]struct{}{key: {}}
	if known := k.known.Load(); known != nil {
		maps.Copy(next, *known)
	}
	if len(next) > maxKeys {
		k.all.Store(true)
		return
	}
	k.known.Store(&next)
}

// released says whether a node that had one of the keys has it no more, or in another value.
func (k *keys) released(before, after map[string]string) bool {
	for key, value := range before {
		if now, ok := after[key]; (!ok || now != value) && k.has(key) {
			return true
		}
	}
	return false
}
