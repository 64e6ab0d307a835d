// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

// namespace is one that has pods in the index.
type namespace struct {
	name string
	pods int
}

type namespaces map[string]*namespace

func (n namespaces) hold(name string) *namespace {
	known := n[name]
	if known == nil {
		known = &namespace{name: name}
		n[name] = known
	}
	known.pods++
	return known
}

func (n namespaces) release(of *namespace) {
	of.pods--
	if of.pods == 0 {
		delete(n, of.name)
	}
}
