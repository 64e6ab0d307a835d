// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package pending

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/test/fakewatch"
)

// recorder stands where the scheduling queue stands.
type recorder struct {
	mu   sync.Mutex
	woke []string
}

func (r *recorder) Activate(_ klog.Logger, pods map[string]*corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.woke = append(r.woke, slices.Sorted(maps.Keys(pods))...)
}

func (r *recorder) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.woke)
}

type rig struct {
	waker  *Waker
	queue  *recorder
	client *fake.Clientset
	ctx    context.Context
}

func newRig(t *testing.T, limiter flowcontrol.RateLimiter) *rig {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	r := &rig{queue: &recorder{}, client: fake.NewClientset(), ctx: ctx}
	factory := informers.NewSharedInformerFactory(r.client, 0)
	handle, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil,
		frameworkruntime.WithInformerFactory(factory), frameworkruntime.WithPodActivator(r.queue))
	if err != nil {
		t.Fatal(err)
	}
	if r.waker, err = start(ctx, handle, limiter); err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	fakewatch.Await(t, &r.client.Fake, "pods")
	return r
}

func launcher(name, vm string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}}
	pod.Labels = map[string]string{"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": vm}
	return pod
}

func (r *rig) create(t *testing.T, pods ...*corev1.Pod) {
	t.Helper()
	for _, pod := range pods {
		if _, err := r.client.CoreV1().Pods(pod.Namespace).Create(r.ctx, pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *rig) eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(r.ctx, 2*time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		t.Fatalf("not within 30s: %s", what)
	}
}

func TestWake(t *testing.T) {
	r := newRig(t, flowcontrol.NewFakeAlwaysRateLimiter())
	placed := launcher("placed", "c")
	placed.Spec.NodeName = "somewhere"
	other := launcher("other", "d")
	other.Labels["kubevirt.io"] = "hotplug-disk"
	r.create(t, launcher("source", "a"), launcher("target", "a"), launcher("b", "b"), placed, other)
	r.eventually(t, "pods are known", func() bool { return len(r.waker.pods.waiting()) == 2 })

	for _, vm := range []types.UID{"c", "d", "unknown", "a"} {
		r.waker.Wake(vm)
	}
	r.eventually(t, "the VM that waits is woken", func() bool { return len(r.queue.names()) == 2 })
	if diff := cmp.Diff([]string{"default/source", "default/target"}, r.queue.names()); diff != "" {
		t.Errorf("woken (-want +got):\n%s", diff)
	}

	// Placed, being deleted, gone: nobody waits any more, and nothing is kept.
	bound := launcher("source", "a")
	bound.Spec.NodeName = "somewhere"
	if _, err := r.client.CoreV1().Pods("default").Update(r.ctx, bound, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	ending := launcher("target", "a")
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	if _, err := r.client.CoreV1().Pods("default").Update(r.ctx, ending, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.client.CoreV1().Pods("default").Delete(r.ctx, "b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "nothing is kept", func() bool { return len(r.waker.pods.waiting()) == 0 })
}

// A storm costs a bounded number of attempts, and nobody is forgotten.
func TestStorm(t *testing.T) {
	const vms, allowed = 50, 7
	tokens := make(chan struct{}, vms)
	r := newRig(t, &tokenLimiter{tokens: tokens})
	for i := range vms {
		r.create(t, launcher(fmt.Sprintf("vm-%02d", i), fmt.Sprintf("uid-%02d", i)))
	}
	r.eventually(t, "pods are known", func() bool { return len(r.waker.pods.waiting()) == vms })
	for range 20 {
		r.waker.WakeAll()
	}
	for range allowed {
		tokens <- struct{}{}
	}
	r.eventually(t, "as many are woken as is allowed", func() bool { return len(r.queue.names()) == allowed })
	for range vms - allowed {
		tokens <- struct{}{}
	}
	r.eventually(t, "all are woken in time", func() bool { return len(r.queue.names()) == vms })
	woke := r.queue.names()
	slices.Sort(woke)
	if got := len(slices.Compact(woke)); got != vms {
		t.Errorf("%d VMs were woken for %d wakes, want each once", got, vms)
	}
}

// tokenLimiter lets through what the test allows.
type tokenLimiter struct {
	flowcontrol.RateLimiter
	tokens <-chan struct{}
}

func (l *tokenLimiter) Wait(ctx context.Context) error {
	select {
	case <-l.tokens:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
