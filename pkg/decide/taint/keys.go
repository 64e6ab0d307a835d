// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package taint

import "strings"

// anyName at the end of a pattern stands for all keys of a domain.
const anyName = "/*"

// Keys is a set of taint keys: single ones, and all of a domain. The zero value is empty.
type Keys struct {
	single  map[string]struct{}
	domains []string // with the slash
}

// KeysOf makes a set of patterns: "kubevirt.io/drain" is one key, "medik8s.io/*" all keys of that domain, but not of
// domains below it. Patterns have been validated by whoever read them.
func KeysOf(patterns []string) Keys {
	keys := Keys{single: make(map[string]struct{}, len(patterns))}
	for _, pattern := range patterns {
		if domain, ok := strings.CutSuffix(pattern, anyName); ok {
			keys.domains = append(keys.domains, domain+"/")
			continue
		}
		keys.single[pattern] = struct{}{}
	}
	return keys
}

// Has says whether the set has a key.
func (k Keys) Has(key string) bool {
	if _, ok := k.single[key]; ok {
		return true
	}
	for _, domain := range k.domains {
		if strings.HasPrefix(key, domain) {
			return true
		}
	}
	return false
}
