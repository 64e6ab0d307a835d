// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

func init() { metrics.Register() }

// cluster is what a profile of a test sees.
type cluster struct {
	nodes      []*corev1.Node
	pods       []*corev1.Pod // placed
	vmis       []*kubevirtv1.VirtualMachineInstance
	namespaces []*corev1.Namespace
	// args are the defaults when nil.
	args *config.VMAffinityArgs
	// upstream is enabled instead of our plugin.
	upstream bool
	// disabled switches points of the plugin off.
	disabled schedulerconfig.Plugins
}

// profile is a real framework with one plugin.
type profile struct {
	framework.Framework
	plugin *VMAffinity
	hosts  []fwk.NodeInfo
}

func (c cluster) profile(ctx context.Context, tb testing.TB) *profile {
	tb.Helper()
	api := simapi.New(tb, simapi.VMIs)
	api.Install()
	for _, v := range c.vmis {
		api.Set(v)
	}
	if c.args == nil {
		c.args = defaultArgs(tb)
	}
	p := &profile{}
	var objects []runtime.Object
	for _, n := range append(c.namespaces, makeNamespace(metav1.NamespaceDefault, nil)) {
		objects = append(objects, n)
	}
	factory := informers.NewSharedInformerFactory(fake.NewClientset(objects...), 0)
	registry := plugins.NewInTreeRegistry()
	start := NewFactory(clusterview.NewPool())
	registry[Name] = func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		made, err := start(ctx, args, handle)
		p.plugin, _ = made.(*VMAffinity)
		return made, err
	}
	one := func(name string, weight int32) schedulerconfig.PluginSet {
		return schedulerconfig.PluginSet{Enabled: []schedulerconfig.Plugin{{Name: name, Weight: weight}}}
	}
	enabled := c.disabled
	enabled.QueueSort, enabled.Bind = one(names.PrioritySort, 0), one(names.DefaultBinder, 0)
	enabled.MultiPoint = one(Name, 1)
	given := []schedulerconfig.PluginConfig{{Name: Name, Args: c.args}}
	if c.upstream {
		enabled.MultiPoint = one(names.InterPodAffinity, 1)
		given = []schedulerconfig.PluginConfig{{Name: names.InterPodAffinity, Args: &schedulerconfig.InterPodAffinityArgs{
			HardPodAffinityWeight: c.args.HardPodAffinityWeight, IgnorePreferredTermsOfExistingPods: c.args.IgnorePreferredTermsOfExistingPods,
		}}}
	}
	snapshot := cache.NewSnapshot(c.pods, c.nodes)
	var err error
	p.Framework, err = frameworkruntime.NewFramework(ctx, registry,
		&schedulerconfig.KubeSchedulerProfile{SchedulerName: "test", Plugins: &enabled, PluginConfig: given},
		frameworkruntime.WithSnapshotSharedLister(snapshot), frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithKubeConfig(api.Config()))
	if err != nil {
		tb.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if p.hosts, err = snapshot.NodeInfos().List(); err != nil {
		tb.Fatal(err)
	}
	c.await(ctx, tb, p)
	return p
}

// await waits until the plugin knows the VMs.
func (c cluster) await(ctx context.Context, tb testing.TB, p *profile) {
	tb.Helper()
	if p.plugin == nil {
		return
	}
	eventually(ctx, tb, "the VMs are known", func() bool {
		for _, v := range c.vmis {
			if vm := p.plugin.view.VM(makeVM(v.UID).Obj()); vm == nil || vm.Guessed {
				return false
			}
		}
		return true
	})
}

func eventually(ctx context.Context, tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	if err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return condition(), nil }); err != nil {
		tb.Fatalf("not within 30 s: %s", what)
	}
}

func testContext(tb testing.TB) context.Context {
	tb.Helper()
	_, ctx := ktesting.NewTestContext(tb)
	ctx, cancel := context.WithCancel(ctx)
	tb.Cleanup(cancel)
	return ctx
}
