// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	clientcache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

// seat is what a plugin has to be to be compared with another.
type seat interface {
	fwk.PreFilterPlugin
	fwk.PreFilterExtensions
	fwk.FilterPlugin
	fwk.PreScorePlugin
	fwk.ScorePlugin
	fwk.ScoreExtensions
	fwk.EnqueueExtensions
}

// twins are two plugins that look at the cache of one scheduler.
type twins struct {
	ctx        context.Context
	logger     klog.Logger
	cache      cache.Cache
	snapshot   *cache.Snapshot
	namespaces clientcache.Indexer
	// upstream is kube-scheduler's InterPodAffinity, ours what has to say the same.
	upstream, ours seat
}

// newTwins needs neither an API server nor informers that run: namespaces are put where a lister finds them, and VMs are
// known by their pods alone.
func newTwins(ctx context.Context, t rapid.TB, args *config.VMAffinityArgs) *twins {
	t.Helper()
	ctx = klog.NewContext(ctx, klog.Logger{}) // upstream's cache logs every node
	factory := informers.NewSharedInformerFactory(nil, 0)
	w := &twins{
		ctx: ctx, logger: klog.FromContext(ctx), cache: cache.New(ctx, 0, nil), snapshot: cache.NewEmptySnapshot(),
		namespaces: factory.Core().V1().Namespaces().Informer().GetIndexer(),
	}
	handle, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil,
		frameworkruntime.WithSnapshotSharedLister(w.snapshot), frameworkruntime.WithInformerFactory(factory))
	noError(t, err)
	upstream, err := interpodaffinity.New(ctx, &schedulerconfig.InterPodAffinityArgs{
		HardPodAffinityWeight: args.HardPodAffinityWeight, IgnorePreferredTermsOfExistingPods: args.IgnorePreferredTermsOfExistingPods,
	}, handle, feature.Features{EnableSchedulingQueueHint: true})
	noError(t, err)
	ours, err := NewFactory(clusterview.NewPool())(ctx, args, handle)
	noError(t, err)
	w.upstream, w.ours = seatOf(t, upstream), seatOf(t, ours)
	return w
}

func seatOf(t rapid.TB, plugin fwk.Plugin) seat {
	t.Helper()
	s, ok := plugin.(seat)
	if !ok {
		t.Fatalf("plugin %s lacks an extension point", plugin.Name())
	}
	return s
}

func noError(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scene is a cluster as a table says it.
type scene struct {
	nodes      []*corev1.Node
	pods       []podBuilder // placed
	namespaces []*corev1.Namespace
	change     func(*config.VMAffinityArgs)
}

func (s scene) twins(t *testing.T) *twins {
	t.Helper()
	args := defaultArgs(t)
	if s.change != nil {
		s.change(args)
	}
	w := newTwins(t.Context(), t, args)
	for _, node := range s.nodes {
		w.cache.AddNode(w.logger, node)
	}
	for _, pod := range s.pods {
		noError(t, w.cache.AddPod(w.logger, pod.Obj()))
	}
	for _, namespace := range s.namespaces {
		noError(t, w.namespaces.Add(namespace))
	}
	return w
}

// refresh does what a scheduler does when a cycle begins, and returns the hosts.
func (w *twins) refresh(t rapid.TB) []fwk.NodeInfo {
	t.Helper()
	noError(t, w.cache.UpdateSnapshot(w.logger, w.snapshot))
	hosts, err := w.snapshot.NodeInfos().List()
	noError(t, err)
	return hosts
}

// infoOf is as upstream's cache makes it, which passes over what cannot be read.
func infoOf(pod *corev1.Pod) fwk.PodInfo {
	info, _ := framework.NewPodInfo(pod)
	return info
}
