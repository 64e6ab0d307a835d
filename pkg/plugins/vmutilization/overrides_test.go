// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
	"github.com/virt-scheduler/virt-scheduler/test/fakewatch"
)

// nodeAPI is an API server with nodes, and what is said about them.
type nodeAPI struct {
	t         *testing.T
	client    *fake.Clientset
	recorder  *events.FakeRecorder
	overrides *overrides
}

func newNodeAPI(ctx context.Context, t *testing.T, nodes ...*corev1.Node) *nodeAPI {
	t.Helper()
	api := &nodeAPI{t: t, client: fake.NewClientset(), recorder: events.NewFakeRecorder(100)}
	for _, n := range nodes {
		api.create(n)
	}
	factory := informers.NewSharedInformerFactory(api.client, 0)
	handle, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, &schedulerconfig.KubeSchedulerProfile{SchedulerName: "test"},
		frameworkruntime.WithInformerFactory(factory), frameworkruntime.WithEventRecorder(api.recorder))
	if err != nil {
		t.Fatal(err)
	}
	if api.overrides, err = followOverrides(ctx, handle, rank.Caps{CPU: 400}); err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	api.await("all nodes were seen", api.overrides.synced)
	fakewatch.Await(t, &api.client.Fake, "nodes")
	return api
}

func (a *nodeAPI) create(n *corev1.Node) {
	a.t.Helper()
	if _, err := a.client.CoreV1().Nodes().Create(a.t.Context(), n, metav1.CreateOptions{}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *nodeAPI) update(n *corev1.Node) {
	a.t.Helper()
	if _, err := a.client.CoreV1().Nodes().Update(a.t.Context(), n, metav1.UpdateOptions{}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *nodeAPI) await(what string, condition func() bool) {
	a.t.Helper()
	err := wait.PollUntilContextTimeout(a.t.Context(), time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		a.t.Fatalf("waiting until %s: %v", what, err)
	}
}

// knows waits until the annotation of a node is known; "" is none.
func (a *nodeAPI) knows(node, want string) {
	a.t.Helper()
	a.await("node "+node+" has annotation "+want, func() bool {
		a.overrides.mu.RLock()
		defer a.overrides.mu.RUnlock()
		return a.overrides.byNode[node] == want
	})
}

// said returns the events so far, in no order.
func (a *nodeAPI) said() []string {
	var all []string
	for len(a.recorder.Events) > 0 {
		all = append(all, <-a.recorder.Events)
	}
	slices.Sort(all)
	return all
}

const complaint = `Warning InvalidOvercommit Annotation virt-scheduler.io/overcommit cannot be read and counts as absent, ` +
	`the arguments of profile test hold: cpu=400. "cpu=much": cpu: "much" is no whole number from 10 to 10000; ` +
	`write cpu=PERCENT, memory=PERCENT, or both with a comma`

func TestWhatCannotBeReadIsReportedOnce(t *testing.T) {
	ctx := testContext(t)
	bad := func() *corev1.Node { return annotated(node("bad"), "cpu=much") }
	api := newNodeAPI(ctx, t, bad(), annotated(node("good"), "cpu=200"), node("plain"))
	if diff := cmp.Diff([]string{complaint}, api.said()); diff != "" {
		t.Errorf("events at the start (-want +got):\n%s", diff)
	}
	// A heartbeat says nothing new about an annotation, and one that was mended nothing bad.
	beat := bad()
	beat.Annotations["kubevirt.io/heartbeat"] = "1"
	api.update(beat)
	api.update(annotated(node("bad"), "cpu=300"))
	api.knows("bad", "cpu=300")
	if diff := cmp.Diff([]string(nil), api.said()); diff != "" {
		t.Errorf("events after it was mended (-want +got):\n%s", diff)
	}
	api.update(bad())
	api.knows("bad", "cpu=much")
	api.create(annotated(node("next"), "memory=100")) // the event is sent after the annotation is known, and before this one's
	api.knows("next", "memory=100")
	if diff := cmp.Diff([]string{complaint}, api.said()); diff != "" {
		t.Errorf("events after it was broken again (-want +got):\n%s", diff)
	}
}

// Filter is skipped only while no node has caps of its own.
func TestOverridesAreCounted(t *testing.T) {
	ctx := testContext(t)
	api := newNodeAPI(ctx, t, node("a"), node("b"))
	want := func(any bool) {
		t.Helper()
		if got := api.overrides.any(); got != any {
			t.Fatalf("any() = %t, want %t", got, any)
		}
	}
	want(false)
	api.update(annotated(node("a"), "cpu=200"))
	api.create(annotated(node("c"), "cpu=200"))
	api.knows("c", "cpu=200")
	want(true)
	api.update(node("a"))
	api.knows("a", "")
	want(true)
	if err := api.client.CoreV1().Nodes().Delete(ctx, "c", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	api.knows("c", "")
	want(false)
}

// Before all nodes were seen, and in a framework without informers, any of them may have caps.
func TestOverridesThatAreNotKnown(t *testing.T) {
	ctx := testContext(t)
	for name, factory := range map[string]informers.SharedInformerFactory{
		"no informers": nil, "not started": informers.NewSharedInformerFactory(fake.NewClientset(), 0),
	} {
		var options []frameworkruntime.Option
		if factory != nil {
			options = append(options, frameworkruntime.WithInformerFactory(factory))
		}
		handle, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil, options...)
		if err != nil {
			t.Fatal(err)
		}
		o, err := followOverrides(ctx, handle, rank.Caps{})
		if err != nil {
			t.Fatal(err)
		}
		if !o.any() {
			t.Errorf("%s: any() = false", name)
		}
	}
}

func TestCapsOn(t *testing.T) {
	pl := &VMUtilization{caps: rank.Caps{CPU: 400, Memory: 100}}
	tests := map[string]rank.Caps{
		"":                    {CPU: 400, Memory: 100},
		"cpu=200":             {CPU: 200, Memory: 100},
		"memory=150,cpu=500":  {CPU: 500, Memory: 150},
		"cpu=200,memory=lots": {CPU: 400, Memory: 100},
	}
	for text, want := range tests {
		n := node("n")
		if text != "" {
			n = annotated(n, text)
		}
		if diff := cmp.Diff(want, pl.capsOn(n)); diff != "" {
			t.Errorf("%s=%q (-want +got):\n%s", config.OvercommitAnnotation, text, diff)
		}
	}
	if got := pl.capsOn(annotated(node("n"), "")); got != pl.caps {
		t.Errorf("an empty annotation: %v, want %v", got, pl.caps)
	}
}
