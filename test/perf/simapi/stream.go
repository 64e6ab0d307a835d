// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"net/http"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// stream is a watch of a collection for a client in the process.
type stream struct {
	results chan watch.Event
	once    sync.Once
	stopped chan struct{}
}

// watchCollection sends all changes after a version that concern what the selector selects.
func watchCollection(c *collection, resourceVersion string, selects func(object) bool) (watch.Interface, error) {
	version, err := strconv.Atoi(resourceVersion)
	if err != nil {
		version = 0 // from the beginning, which is what "" and "0" mean
	}
	r, ok := c.follow(version)
	if !ok {
		return nil, expired()
	}
	s := &stream{results: make(chan watch.Event), stopped: make(chan struct{})}
	go s.run(c, r, selects)
	return s, nil
}

func (s *stream) ResultChan() <-chan watch.Event { return s.results }

func (s *stream) Stop() { s.once.Do(func() { close(s.stopped) }) }

func (s *stream) run(c *collection, r *reader, selects func(object) bool) {
	defer close(s.results)
	defer c.leave(r)
	for {
		what, wait := c.take(r)
		if wait != nil {
			select {
			case <-wait:
			case <-s.stopped:
				return
			}
			continue
		}
		if event, ok := selected(what, selects); ok && !s.send(event) {
			return
		}
	}
}

func (s *stream) send(event watch.Event) bool {
	select {
	case s.results <- event:
		return true
	case <-s.stopped:
		return false
	}
}

// selected turns a change into what somebody sees of it who sees only some of the objects.
func selected(what change, selects func(object) bool) (watch.Event, bool) {
	before := what.before != nil && selects(what.before)
	after := what.kind != watch.Deleted && selects(what.object)
	switch {
	case before && after:
		return watch.Event{Type: watch.Modified, Object: what.object}, true
	case after:
		return watch.Event{Type: watch.Added, Object: what.object}, true
	case before:
		return watch.Event{Type: watch.Deleted, Object: what.object}, true
	}
	return watch.Event{}, false
}

func expired() *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired,
		Message: "simulated API: changes as old as that are not remembered: list again",
	}}
}
