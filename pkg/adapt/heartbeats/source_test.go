// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package heartbeats

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clientcache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/test/fakewatch"
)

const tolerance = 3 * time.Minute

// long ago, by a clock of a node that is years behind ours.
const someTime = "1999-12-31T23:59:59Z"

func node(name, beat string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	if beat != "" {
		n.Annotations = map[string]string{kubevirtv1.VirtHandlerHeartbeat: beat}
	}
	return n
}

// another returns the node as it is after it was deleted and made anew.
func another(n *corev1.Node) *corev1.Node {
	n = n.DeepCopy()
	n.UID += "-2"
	return n
}

func TestAlive(t *testing.T) {
	// The informer's events in order: what is a duration lets time pass.
	type events []any
	first, second := node("a", someTime), node("a", someTime+"!")
	tests := map[string]struct {
		events events
		ask    *corev1.Node
		want   bool
	}{
		"seen for the first time, however old": {events: events{first}, ask: first, want: true},
		"just within the tolerance":            {events: events{first, tolerance - 1}, ask: first, want: true},
		"not heard of for the tolerance":       {events: events{first, tolerance}, ask: first, want: false},
		"an update without a beat is no beat":  {events: events{first, tolerance - 1, first.DeepCopy(), time.Minute}, ask: first, want: false},
		"beat again":                           {events: events{first, tolerance, second, tolerance - 1}, ask: second, want: true},
		"never beat":                           {events: events{node("a", "")}, ask: node("a", ""), want: false},
		"stopped to have any":                  {events: events{first, node("a", "")}, ask: node("a", ""), want: false},
		"its first beat":                       {events: events{node("a", ""), time.Hour, first, time.Minute}, ask: first, want: true},
		"set back by the node's clock":         {events: events{second, tolerance, first}, ask: first, want: true},
		"not seen yet":                         {ask: first, want: true},
		"the snapshot is ahead of us":          {events: events{first, tolerance}, ask: second, want: true},
		"we are ahead of the snapshot":         {events: events{first, tolerance, second}, ask: first, want: true},
		"deleted and made anew":                {events: events{first, tolerance, deleted{first}, another(first)}, ask: another(first), want: true},
		"made anew while the watch was away":   {events: events{first, tolerance, another(first)}, ask: another(first), want: true},
		"made anew and silent":                 {events: events{first, another(first), tolerance}, ask: another(first), want: false},
		"another node's beat":                  {events: events{first, node("b", someTime), tolerance, node("b", "x")}, ask: first, want: false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clock := testclock.NewFakePassiveClock(time.Unix(1000, 0))
			s := newSource(clock)
			for _, event := range tc.events {
				play(s, clock, event)
			}
			if got := s.Alive(tc.ask, s.Now(), tolerance); got != tc.want {
				t.Errorf("Alive() = %t, want %t", got, tc.want)
			}
		})
	}
}

type deleted struct{ node *corev1.Node }

func play(s *Source, clock *testclock.FakePassiveClock, event any) {
	switch e := event.(type) {
	case time.Duration:
		clock.SetTime(clock.Now().Add(e))
	case *corev1.Node:
		s.handler().OnUpdate(nil, e)
	case deleted:
		s.handler().OnDelete(clientcache.DeletedFinalStateUnknown{Key: e.node.Name, Obj: e.node})
	}
}

func TestRevived(t *testing.T) {
	before, after, later := node("a", "1"), node("a", "2"), node("a", "3")
	tests := map[string]struct {
		events        []any
		before, after *corev1.Node
		want          bool
	}{
		"a beat in time":                            {events: []any{before, time.Minute}, before: before, after: after},
		"a beat in time, seen already":              {events: []any{before, time.Minute, after}, before: before, after: after},
		"a beat after a silence":                    {events: []any{before, tolerance}, before: before, after: after, want: true},
		"a beat after a silence, seen already":      {events: []any{before, tolerance, after}, before: before, after: after, want: true},
		"a later beat was seen: not known any more": {events: []any{before, tolerance, after, time.Minute, later}, before: before, after: after, want: true},
		"no beat":                      {events: []any{before, tolerance}, before: before, after: before},
		"the beat goes":                {events: []any{before, tolerance}, before: before, after: node("a", "")},
		"the first beat":               {events: []any{node("a", "")}, before: node("a", ""), after: after, want: true},
		"the first beat, seen already": {events: []any{node("a", ""), after}, before: node("a", ""), after: after, want: true},
		"a node that is not known":     {before: before, after: after, want: true},
		"a beat after a silence, and time has gone by": {events: []any{before, tolerance, after, time.Minute}, before: before, after: after, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clock := testclock.NewFakePassiveClock(time.Unix(1000, 0))
			s := newSource(clock)
			for _, event := range tc.events {
				play(s, clock, event)
			}
			if got := s.Revived(tc.before, tc.after, s.Now(), tolerance); got != tc.want {
				t.Errorf("Revived() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestForgetsDeletedNodes(t *testing.T) {
	s := newSource(testclock.NewFakePassiveClock(time.Unix(0, 0)))
	s.handler().OnAdd(node("a", "1"), true)
	s.Alive(node("a", "1"), s.Now(), tolerance) // makes the readers' copy
	s.handler().OnDelete(node("a", "1"))
	if len(s.nodes) != 0 || s.lastOf("a") != nil {
		t.Errorf("after its deletion the node is still known: %v", s.nodes)
	}
}

func handle(ctx context.Context, t *testing.T, lister fwk.SharedLister, factory informers.SharedInformerFactory) fwk.Handle {
	t.Helper()
	options := []frameworkruntime.Option{frameworkruntime.WithSnapshotSharedLister(lister)}
	if factory != nil {
		options = append(options, frameworkruntime.WithInformerFactory(factory))
	}
	h, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return condition(), nil }); err != nil {
		t.Fatalf("not within 30 s: %s", what)
	}
}

func TestFollowsTheSchedulersInformer(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := fake.NewClientset(node("a", "1"))
	factory := informers.NewSharedInformerFactory(client, 0)
	clock := testclock.NewFakePassiveClock(time.Unix(0, 0))
	s, err := NewPool(clock).For(ctx, handle(ctx, t, cache.NewEmptySnapshot(), factory))
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	eventually(t, "the node is seen", func() bool { return s.lastOf("a") != nil })
	fakewatch.Await(t, &client.Fake, "nodes")
	clock.SetTime(time.Unix(0, 0).Add(tolerance))
	if s.Alive(node("a", "1"), s.Now(), tolerance) {
		t.Error("alive after a silence")
	}
	if _, err := client.CoreV1().Nodes().Update(ctx, node("a", "2"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the beat is seen", func() bool { return s.lastOf("a").value == "2" })
	if !s.Alive(node("a", "2"), s.Now(), tolerance) {
		t.Error("not alive after a beat")
	}
	if err := client.CoreV1().Nodes().Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is forgotten", func() bool { return s.lastOf("a") == nil })
}

func TestHandleWithoutInformers(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	if _, err := NewPool(testclock.NewFakePassiveClock(time.Unix(0, 0))).For(ctx, handle(ctx, t, nil, nil)); err != nil {
		t.Error(err)
	}
}

// With -race: readers, beats, and nodes that come and go at once.
func TestManyGoroutines(t *testing.T) {
	s := newSource(testclock.NewFakePassiveClock(time.Unix(0, 0)))
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.Alive(node("a", "1"), s.Now(), tolerance)
					s.Revived(node("a", "1"), node("a", "2"), s.Now(), tolerance)
				}
			}
		})
	}
	for i := range 1000 {
		s.handler().OnUpdate(nil, node("a", fmt.Sprint(i)))
		s.handler().OnAdd(node(fmt.Sprintf("n%d", i%7), "1"), false)
		s.handler().OnDelete(node(fmt.Sprintf("n%d", i%5), "1"))
	}
	close(stop)
	readers.Wait()
	if last := s.lastOf("a"); last.value != "999" {
		t.Errorf("last beat %q, want that of the last update", last.value)
	}
}

func BenchmarkAlive(b *testing.B) {
	s := newSource(testclock.NewFakePassiveClock(time.Unix(0, 0)))
	nodes := make([]*corev1.Node, 5000)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("node-%d", i), "1")
		s.handler().OnAdd(nodes[i], true)
	}
	now := s.Now()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if !s.Alive(nodes[i%len(nodes)], now, tolerance) {
			b.Fatal("not alive")
		}
		i++
	}
}
