// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package heartbeats

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/follow"
)

// Source knows the heartbeats of one scheduler's nodes. Its methods may be called at any time, by many goroutines.
type Source struct {
	clock clock.PassiveClock

	// mu guards the map nodes, not what it refers to.
	mu    sync.Mutex
	nodes map[string]*heart
	// frozen is a copy of nodes for readers, who take no lock; nil when nodes came or went since it was made.
	frozen atomic.Pointer[map[string]*heart]
}

// heart is one node's.
type heart struct{ last atomic.Pointer[beat] }

// beat is the last change that was seen. It is not changed once it is made.
type beat struct {
	node  types.UID
	value string
	at    time.Time
	// silence is how long the heart had not beaten before; 0 for the first beat that we know of.
	silence time.Duration
}

func newSource(clock clock.PassiveClock) *Source {
	return &Source{clock: clock, nodes: map[string]*heart{}}
}

// Now returns the time by the clock that heartbeats are measured with.
func (s *Source) Now() time.Time { return s.clock.Now() }

// Alive is true when the node's virt-handler was heard of within the tolerance before now. A node that never had a
// heartbeat is not alive. One that we see for the first time was heard of just now, however old the heartbeat may be:
// we cannot know, and a scheduler that starts must not find all hosts dead. It costs one look-up and does not allocate.
func (s *Source) Alive(node *corev1.Node, now time.Time, tolerance time.Duration) bool {
	value := node.Annotations[kubevirtv1.VirtHandlerHeartbeat]
	if value == "" {
		return false
	}
	last := s.lastOf(node.Name)
	// The node that we are asked about comes from the scheduler's cache, which another goroutine keeps. If it differs
	// from what we saw last, one of the two has a change that the other will see in a moment.
	if last == nil || last.value != value || last.node != node.UID {
		return true
	}
	return now.Sub(last.at) < tolerance
}

// Revived is true when an update of a node brings a heartbeat after a silence of tolerance or more, or the first
// heartbeat at all: before the update the node was not Alive. It may be called before or after the Source has seen the
// update itself. If later ones were seen already it is true, as nothing is known any more.
func (s *Source) Revived(before, after *corev1.Node, now time.Time, tolerance time.Duration) bool {
	then, value := before.Annotations[kubevirtv1.VirtHandlerHeartbeat], after.Annotations[kubevirtv1.VirtHandlerHeartbeat]
	if value == "" || value == then {
		return false
	}
	if then == "" {
		return true
	}
	last := s.lastOf(after.Name)
	switch {
	case last == nil:
		return true
	case last.value == value:
		return last.silence >= tolerance
	case last.value == then:
		return now.Sub(last.at) >= tolerance
	default:
		return true
	}
}

func (s *Source) lastOf(node string) *beat {
	frozen := s.frozen.Load()
	if frozen == nil {
		frozen = s.freeze()
	}
	if h := (*frozen)[node]; h != nil {
		return h.last.Load()
	}
	return nil
}

func (s *Source) freeze() *map[string]*heart {
	s.mu.Lock()
	defer s.mu.Unlock()
	frozen := s.frozen.Load()
	if frozen == nil {
		nodes := maps.Clone(s.nodes)
		frozen = &nodes
		s.frozen.Store(frozen)
	}
	return frozen
}

// seen is called by one goroutine: the informer's.
func (s *Source) seen(node *corev1.Node) {
	value := node.Annotations[kubevirtv1.VirtHandlerHeartbeat]
	s.mu.Lock()
	h := s.nodes[node.Name]
	if h == nil {
		h = &heart{}
		s.nodes[node.Name] = h
		s.frozen.Store(nil)
	}
	s.mu.Unlock()
	now, last := s.clock.Now(), h.last.Load()
	next := &beat{node: node.UID, value: value, at: now}
	if last != nil && last.node == node.UID {
		if last.value == value {
			return
		}
		next.silence = now.Sub(last.at)
	}
	h.last.Store(next)
}

func (s *Source) gone(node *corev1.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.nodes, node.Name)
	s.frozen.Store(nil)
}

func (s *Source) handler() cache.ResourceEventHandler { return follow.Handler(s.seen, s.gone) }

// start returns a Source that follows the scheduler's own Node informer until ctx ends.
func start(ctx context.Context, handle fwk.Handle, clock clock.PassiveClock) (*Source, error) {
	s := newSource(clock)
	factory := handle.SharedInformerFactory()
	if factory == nil {
		return s, nil // no scheduler's handle
	}
	if _, err := follow.Until(ctx, factory.Core().V1().Nodes().Informer(), s.handler()); err != nil {
		return nil, fmt.Errorf("watching heartbeats of nodes: %w", err)
	}
	return s, nil
}
