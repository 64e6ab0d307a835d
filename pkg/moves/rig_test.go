// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	"k8s.io/component-base/metrics/testutil"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/test/fakewatch"
)

// activator stands where the scheduling queue stands.
type activator struct {
	mu  sync.Mutex
	got []string
}

func (a *activator) Activate(_ klog.Logger, pods map[string]*corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = append(a.got, slices.Sorted(maps.Keys(pods))...)
}

func (a *activator) times(pod string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Count(strings.Join(a.got, " ")+" ", pod+" ")
}

// rig is a Tracker with a simulated API of migrations, and client-go's simulated API of pods.
type rig struct {
	t        *testing.T
	ctx      context.Context
	api      *simapi.Server
	client   *fake.Clientset
	clock    *testclock.FakeClock
	handle   fwk.Handle
	queue    *activator
	recorder *events.FakeRecorder
	tracker  *Tracker
}

func nominated(name, node string) *corev1.Pod {
	p := pod(name)
	p.ResourceVersion, p.Status.NominatedNodeName = "7", node
	return p
}

// newRig returns one that KubeVirt is installed in, with pods, and nothing started.
func newRig(t *testing.T, pods ...*corev1.Pod) *rig {
	t.Helper()
	r := &rig{
		t: t, api: simapi.New(t, simapi.Migrations), client: fake.NewClientset(), clock: testclock.NewFakeClock(start),
		queue: &activator{}, recorder: events.NewFakeRecorder(1000),
	}
	r.api.Install()
	r.api.Stand(r.kubeVirt)
	for _, p := range pods {
		if _, err := r.client.CoreV1().Pods(p.Namespace).Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// kubeVirt does what KubeVirt's webhooks do.
func (r *rig) kubeVirt(verb string, object simapi.Object, write func() error) error {
	m, ok := object.(*migrationObject)
	if verb != "create" || !ok {
		return write()
	}
	for _, other := range r.migrations() {
		if other.Spec.VMIName == m.Spec.VMIName && !other.IsFinal() {
			return apierrors.NewForbidden(kubevirtv1.Resource(migrationsAPI.Plural), m.Name, errors.New("in-flight migration detected"))
		}
	}
	m.Finalizers = append(m.Finalizers, kubevirtv1.VirtualMachineInstanceMigrationFinalizer)
	m.Labels[kubevirtv1.MigrationSelectorLabel] = m.Spec.VMIName
	return write()
}

func (r *rig) start() *rig {
	r.t.Helper()
	_, ctx := ktesting.NewTestContext(r.t)
	ctx, cancel := context.WithCancel(ctx)
	r.t.Cleanup(cancel)
	r.ctx = ctx
	factory := informers.NewSharedInformerFactory(r.client, 0)
	h, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil, frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithClientSet(r.client), frameworkruntime.WithKubeConfig(r.api.Config()), frameworkruntime.WithPodActivator(r.queue),
		frameworkruntime.WithEventRecorder(r.recorder), frameworkruntime.WithSnapshotSharedLister(cache.NewEmptySnapshot()))
	if err != nil {
		r.t.Fatal(err)
	}
	r.handle = h
	if r.tracker, err = NewPool(r.clock).For(ctx, h); err != nil {
		r.t.Fatal(err)
	}
	r.client.ClearActions()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	fakewatch.Await(r.t, &r.client.Fake, "pods")
	return r
}

func (r *rig) eventually(what string, condition func() bool) {
	r.t.Helper()
	err := wait.PollUntilContextTimeout(r.t.Context(), 2*time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		r.t.Fatalf("not within 30s: %s", what)
	}
}

// after lets time pass until something has come of it.
func (r *rig) after(d time.Duration, what string, condition func() bool) {
	r.t.Helper()
	// What is to be done by then may be planned only now, by another goroutine.
	r.clock.Step(d)
	r.eventually(what, func() bool {
		if condition() {
			return true
		}
		r.clock.Step(time.Second)
		return false
	})
}

func (r *rig) migrations() []*migrationObject {
	var all []*migrationObject
	for _, object := range r.api.Objects() {
		if m, ok := object.(*migrationObject); ok {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *migrationObject) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (r *rig) migration(vm string) *migrationObject {
	m, _ := r.api.Get(nameOf(types.UID(vm+"-uid"), 1)).(*migrationObject)
	return m
}

// becomes has KubeVirt write a phase.
func (r *rig) becomes(vm string, phase kubevirtv1.VirtualMachineInstanceMigrationPhase) {
	r.t.Helper()
	m := r.migration(vm)
	if m == nil {
		r.t.Fatalf("VM %s has no migration", vm)
	}
	m = m.DeepCopy()
	m.Status.Phase = phase
	r.api.Set(m)
}

func (r *rig) deleting(vm string) bool {
	m := r.migration(vm)
	return m == nil || m.DeletionTimestamp != nil
}

func (r *rig) going(name string) string {
	node, _ := r.tracker.Going(pod(name).UID)
	return node
}

func (r *rig) nomination(name string) string {
	p, err := r.client.CoreV1().Pods(namespace).Get(r.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Status.NominatedNodeName
}

// told returns the events so far, without those that came before the last call.
func (r *rig) told() (all []string) {
	for {
		select {
		case e := <-r.recorder.Events:
			all = append(all, e)
		default:
			slices.Sort(all)
			return all
		}
	}
}

func (r *rig) update(p *corev1.Pod) {
	r.t.Helper()
	if _, err := r.client.CoreV1().Pods(namespace).Update(r.t.Context(), p, metav1.UpdateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func counted(t *testing.T, what result) float64 {
	t.Helper()
	value, err := testutil.GetCounterMetricValue(movesTotal.WithLabelValues(string(what)))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (r *rig) remembersNothing() bool {
	r.tracker.mu.RLock()
	defer r.tracker.mu.RUnlock()
	return len(r.tracker.rooms)+len(r.tracker.due) == 0
}
