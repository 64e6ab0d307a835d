// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// keep is how many changes a collection remembers at least, for watches that begin at an older state. Those that a reader has
// not yet taken are remembered in any case: were one told to list anew, it would first wait a while, and be overlooked.
const keep = 1 << 13

// object is what the collections hold. What is in one is never changed, only replaced.
type object interface {
	metav1.Object
	runtime.Object
}

// change is one entry of a collection's history.
type change struct {
	kind   watch.EventType
	object object
	before object // nil when added
}

// collection holds all objects of one resource, and its history.
type collection struct {
	mu      sync.Mutex
	objects map[string]object
	history []change      // the change at index i made version first+i
	first   int           // version of history[0]; the empty collection is version 0
	grown   chan struct{} // closed and replaced when the history grows
	readers map[*reader]struct{}
}

// reader is somebody who follows the history of a collection.
type reader struct {
	next int // version that it has not yet taken
	busy bool
}

func newCollection() *collection {
	return &collection{objects: map[string]object{}, first: 1, grown: make(chan struct{}), readers: map[*reader]struct{}{}}
}

func key(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func (c *collection) get(namespace, name string) (object, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.objects[key(namespace, name)]
	return o, ok
}

// set adds or replaces an object. It takes it over: its resourceVersion is set.
func (c *collection) set(o object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setLocked(o)
}

func (c *collection) setLocked(o object) {
	k := key(o.GetNamespace(), o.GetName())
	before, ok := c.objects[k]
	o.SetResourceVersion(strconv.Itoa(c.version() + 1))
	c.objects[k] = o
	if ok {
		c.record(change{kind: watch.Modified, object: o, before: before})
		return
	}
	c.record(change{kind: watch.Added, object: o})
}

// update replaces an object by what change makes of it. change must not modify what it is given.
func (c *collection) update(namespace, name string, change func(object) (object, error)) (object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, ok := c.objects[key(namespace, name)]
	if !ok {
		return nil, fmt.Errorf("simulated API: %s does not exist", key(namespace, name))
	}
	after, err := change(before)
	if err != nil {
		return nil, err
	}
	c.setLocked(after)
	return after, nil
}

func (c *collection) remove(namespace, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := key(namespace, name)
	before, ok := c.objects[k]
	if !ok {
		return false
	}
	delete(c.objects, k)
	c.record(change{kind: watch.Deleted, object: before, before: before})
	return true
}

func (c *collection) version() int { return c.first + len(c.history) - 1 }

func (c *collection) record(what change) {
	if len(c.history) >= 2*keep && len(c.history)%keep == 0 {
		oldest := c.version() - keep + 1
		for r := range c.readers {
			oldest = min(oldest, r.next)
		}
		c.history = slices.Clone(c.history[oldest-c.first:])
		c.first = oldest
	}
	c.history = append(c.history, what)
	close(c.grown)
	c.grown = make(chan struct{})
}

// list returns all objects, sorted by namespace and name, and the version of the collection.
func (c *collection) list() (objects []object, version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	objects = make([]object, 0, len(c.objects))
	for _, k := range slices.Sorted(maps.Keys(c.objects)) {
		objects = append(objects, c.objects[k])
	}
	return objects, c.version()
}

// follow registers a reader of all changes after version; ok is false when they are not remembered any more.
func (c *collection) follow(version int) (r *reader, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version+1 < c.first {
		return nil, false
	}
	r = &reader{next: version + 1, busy: true}
	c.readers[r] = struct{}{}
	return r, true
}

func (c *collection) leave(r *reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.readers, r)
}

// take returns the next change for a reader, who says by asking that it is done with the one before. When there is none, the
// reader gets a channel that is closed when there is one.
func (c *collection) take(r *reader) (what change, wait <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.next > c.version() {
		r.busy = false
		return change{}, c.grown
	}
	what = c.history[r.next-c.first]
	r.next++
	r.busy = true
	return what, nil
}

// read says whether all readers have taken all changes and are done with them.
func (c *collection) read() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.readers {
		if r.busy || r.next <= c.version() {
			return false
		}
	}
	return true
}
