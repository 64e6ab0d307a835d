// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/metrics"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

func init() { metrics.Register() }

const gib = int64(1) << 30

func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func node(name string, labels map[string]string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: maps.Clone(labels)}}
	n.Status.Allocatable = quantities("cpu", "64", "memory", "256Gi", "pods", "500")
	return n
}

// podBuilder makes pods that are on a node, or not yet.
type podBuilder struct{ pod *corev1.Pod }

func makePod(name, node string) podBuilder {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}}
	pod.Spec.NodeName = node
	pod.Spec.Containers = []corev1.Container{{Name: "compute"}}
	return podBuilder{pod}
}

func (b podBuilder) Launcher(vm types.UID) podBuilder {
	b.pod.Labels = map[string]string{"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": string(vm)}
	return b
}

// Target makes the launcher the target of a migration that began some time after an epoch.
func (b podBuilder) Target(job string, after time.Duration) podBuilder {
	b.pod.Labels["kubevirt.io/migrationJobUID"] = job
	b.pod.CreationTimestamp = metav1.NewTime(time.Unix(0, 0).Add(after))
	return b
}

func (b podBuilder) Attachment() podBuilder {
	b.pod.Labels = map[string]string{"kubevirt.io": "hotplug-disk"}
	return b
}

func (b podBuilder) Ending() podBuilder {
	now := metav1.NewTime(time.Unix(1_000_000, 0))
	b.pod.DeletionTimestamp = &now
	return b
}

func (b podBuilder) Phase(phase corev1.PodPhase) podBuilder {
	b.pod.Status.Phase = phase
	return b
}

func (b podBuilder) Requests(pairs ...string) podBuilder {
	b.pod.Spec.Containers[0].Resources.Requests = quantities(pairs...)
	return b
}

func (b podBuilder) Obj() *corev1.Pod { return b.pod }

func vm(uid types.UID, vcpus, memory int64, change ...func(*model.VM)) *model.VM {
	m := &model.VM{UID: uid, Size: model.Size{VCPUs: vcpus, Memory: memory}, Wishes: &model.Wishes{}}
	for _, c := range change {
		c(m)
	}
	return m
}

func over(job string) func(*model.VM) {
	return func(m *model.VM) { m.Move = model.Move{Migration: types.UID(job), Ended: true} }
}

// simVMs are VirtualMachineInstances as a test says them.
type simVMs struct {
	mu      sync.RWMutex
	vms     map[types.UID]*model.VM
	changed []func(types.UID)
}

func (s *simVMs) VM(uid types.UID) (*model.VM, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, ok := s.vms[uid]
	return m, ok
}

func (s *simVMs) Subscribe(changed func(types.UID)) { s.changed = append(s.changed, changed) }

func (s *simVMs) Set(m *model.VM) {
	s.mu.Lock()
	s.vms[m.UID] = m
	s.mu.Unlock()
	for _, c := range s.changed {
		c(m.UID)
	}
}

func (s *simVMs) Delete(uid types.UID) {
	s.mu.Lock()
	delete(s.vms, uid)
	s.mu.Unlock()
	for _, c := range s.changed {
		c(uid)
	}
}

// simFailures are NodeFailures as a test says them.
type simFailures struct {
	mu      sync.RWMutex
	open    map[string]bool
	proved  map[string]bool
	changed []func(string)
}

func (s *simFailures) Proved(node string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.proved[node]
}

func (s *simFailures) Failed(node string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.open[node]
}

func (s *simFailures) Subscribe(changed func(string)) { s.changed = append(s.changed, changed) }

func (s *simFailures) Set(node string, open bool) { s.Prove(node, open, false) }

func (s *simFailures) Prove(node string, open, proved bool) {
	s.mu.Lock()
	s.open[node], s.proved[node] = open, open && proved
	s.mu.Unlock()
	for _, c := range s.changed {
		c(node)
	}
}

// rig is a view of upstream's own scheduler cache.
type rig struct {
	logger   klog.Logger
	cache    cache.Cache
	snapshot *cache.Snapshot
	vms      *simVMs
	failures *simFailures
	view     *View
}

func newRig(ctx context.Context, limit int) *rig {
	r := &rig{
		logger: klog.FromContext(ctx), cache: cache.New(ctx, 0, nil), snapshot: cache.NewEmptySnapshot(),
		vms: &simVMs{vms: map[types.UID]*model.VM{}}, failures: &simFailures{open: map[string]bool{}, proved: map[string]bool{}},
	}
	r.view = newView(r.snapshot, r.vms, r.failures, limit)
	return r
}

func testRig(tb testing.TB) *rig {
	tb.Helper()
	_, ctx := ktesting.NewTestContext(tb)
	ctx, cancel := context.WithCancel(ctx)
	tb.Cleanup(cancel)
	return newRig(ctx, maxValues)
}

// fataler is a testing.TB or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func must(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) nodes(names ...string) {
	for _, name := range names {
		r.cache.AddNode(r.logger, node(name, nil))
	}
}

func (r *rig) add(t fataler, pods ...*corev1.Pod) {
	t.Helper()
	for _, pod := range pods {
		must(t, r.cache.AddPod(r.logger, pod))
	}
}

// refresh does what a scheduler and the first plugin of a cycle do.
func (r *rig) refresh(t fataler) {
	t.Helper()
	must(t, r.cache.UpdateSnapshot(r.logger, r.snapshot))
	must(t, r.view.Refresh())
}

func (r *rig) host(t fataler, name string) *Host {
	t.Helper()
	info, err := r.snapshot.Get(name)
	must(t, err)
	return r.view.Host(info)
}

func podInfo(pod *corev1.Pod) fwk.PodInfo {
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		panic(err)
	}
	return info
}
