// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2/ktesting"

	"github.com/virt-scheduler/virt-scheduler/test/fakewatch"
)

func node(uid types.UID) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: uid}}
}

func TestHandler(t *testing.T) {
	tests := map[string]struct {
		event func(cache.ResourceEventHandler)
		want  []string
	}{
		"added":   {event: func(h cache.ResourceEventHandler) { h.OnAdd(node("1"), false) }, want: []string{"seen 1"}},
		"updated": {event: func(h cache.ResourceEventHandler) { h.OnUpdate(node("1"), node("1")) }, want: []string{"seen 1"}},
		"made anew while the watch was away": {
			event: func(h cache.ResourceEventHandler) { h.OnUpdate(node("1"), node("2")) }, want: []string{"gone 1", "seen 2"},
		},
		"deleted": {event: func(h cache.ResourceEventHandler) { h.OnDelete(node("1")) }, want: []string{"gone 1"}},
		"deleted while the watch was away": {
			event: func(h cache.ResourceEventHandler) {
				h.OnDelete(cache.DeletedFinalStateUnknown{Key: "a", Obj: node("1")})
			},
			want: []string{"gone 1"},
		},
		"of another type": {event: func(h cache.ResourceEventHandler) {
			h.OnAdd(&corev1.Pod{}, false)
			h.OnUpdate(&corev1.Pod{}, &corev1.Pod{})
			h.OnDelete(&corev1.Pod{})
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			tc.event(Handler(
				func(n *corev1.Node) { got = append(got, "seen "+string(n.UID)) },
				func(n *corev1.Node) { got = append(got, "gone "+string(n.UID)) },
			))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUntil(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := fake.NewClientset(node("1"))
	factory := informers.NewSharedInformerFactory(client, 0)
	informer := factory.Core().V1().Nodes().Informer()
	follow := func(ctx context.Context) (<-chan types.UID, cache.InformerSynced) {
		t.Helper()
		seen := make(chan types.UID, 10)
		hasSynced, err := Until(ctx, informer, Handler(func(n *corev1.Node) { seen <- n.UID }, func(*corev1.Node) {}))
		if err != nil {
			t.Fatal(err)
		}
		return seen, hasSynced
	}
	ended, end := context.WithCancel(ctx)
	first, hasSynced := follow(ended)
	other, _ := follow(ctx)
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), hasSynced) || len(first) != 1 {
		t.Fatalf("%d nodes seen once all have been read, want 1", len(first))
	}
	<-other
	fakewatch.Await(t, &client.Fake, "nodes")
	end()
	// It is given up by a goroutine of its own, so that an event or two may still come.
	err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		for len(first) > 0 {
			<-first
		}
		if _, err := client.CoreV1().Nodes().Update(ctx, node("1"), metav1.UpdateOptions{}); err != nil {
			return false, err
		}
		<-other // the update has been given out
		return len(first) == 0, nil
	})
	if err != nil {
		t.Error("the handler is still called after its context has ended")
	}
}
