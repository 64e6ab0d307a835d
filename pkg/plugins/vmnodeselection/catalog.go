// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"sync"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/migratability"
)

// catalog is the classes of hosts at one time, with their labels read. It is not changed once it is made.
type catalog struct {
	classes []clusterview.Class
	hosts   []*migratability.Host
	// positions in classes and hosts.
	positions map[clusterview.ClassID]int
}

// current returns the catalog of the view's classes as they are now. Making it anew, after hosts changed their class,
// costs a look-up per class, as a class always has the same labels.
func (pl *VMNodeSelection) current() *catalog {
	classes, before := pl.view.Classes(), pl.catalog.Load()
	if before != nil && same(classes, before.classes) {
		return before
	}
	c := &catalog{
		classes:   classes,
		hosts:     make([]*migratability.Host, len(classes)),
		positions: make(map[clusterview.ClassID]int, len(classes)),
	}
	for i := range classes {
		c.positions[classes[i].ID] = i
		if before != nil {
			if at, ok := before.positions[classes[i].ID]; ok {
				c.hosts[i] = before.hosts[at]
				continue
			}
		}
		c.hosts[i] = migratability.HostOf(classes[i].Labels)
	}
	pl.catalog.Store(c)
	return c
}

// same is true for the very same slice: the view makes another one for every change.
func same(a, b []clusterview.Class) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// maxRelations bounds what is remembered, at about 10 MB. It is enough for 500 classes of hosts.
const maxRelations = 1 << 18

// relations remembers what migratability.Relate says of two classes.
type relations struct {
	mu    sync.Mutex
	known map[[2]clusterview.ClassID]migratability.Relation
}

func (r *relations) of(c *catalog, from, to int) migratability.Relation {
	pair := [2]clusterview.ClassID{c.classes[from].ID, c.classes[to].ID}
	r.mu.Lock()
	defer r.mu.Unlock()
	if related, ok := r.known[pair]; ok {
		return related
	}
	if r.known == nil || len(r.known) >= maxRelations {
		r.known = map[[2]clusterview.ClassID]migratability.Relation{}
	}
	related := migratability.Relate(c.hosts[from], c.hosts[to])
	r.known[pair] = related
	return related
}
