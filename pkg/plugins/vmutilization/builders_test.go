// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/backend/queue"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultbinder"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/queuesort"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

func init() { metrics.Register() }

func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func node(name string, allocatable ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.Allocatable = quantities(append(allocatable, "pods", "500")...)
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

// Launcher makes the pod a launcher pod of a VM.
func (b podBuilder) Launcher(vm types.UID) podBuilder {
	b.pod.Labels = map[string]string{"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": string(vm)}
	return b
}

// Target makes the launcher pod the target of a migration that began some time after an epoch.
func (b podBuilder) Target(after time.Duration) podBuilder {
	b.pod.Labels["kubevirt.io/migrationJobUID"] = "job"
	b.pod.CreationTimestamp = metav1.NewTime(time.Unix(0, 0).Add(after))
	return b
}

func (b podBuilder) Ending() podBuilder {
	now := metav1.NewTime(time.Unix(1_000_000, 0))
	b.pod.DeletionTimestamp = &now
	return b
}

// Finished makes the pod one that holds nothing any more.
func (b podBuilder) Finished() podBuilder {
	b.pod.Status.Phase = corev1.PodSucceeded
	return b
}

// Attachment makes the pod one that attaches a disk to a VM.
func (b podBuilder) Attachment() podBuilder {
	b.pod.Labels = map[string]string{"kubevirt.io": "hotplug-disk", "kubevirt.io/created-by": "launcher"}
	return b
}

func (b podBuilder) Requests(pairs ...string) podBuilder {
	b.pod.Spec.Containers[0].Resources.Requests = quantities(pairs...)
	return b
}

func (b podBuilder) Obj() *corev1.Pod { return b.pod }

func vmi(uid types.UID, vcpus uint32, memory string, change ...func(*kubevirtv1.DomainSpec)) *kubevirtv1.VirtualMachineInstance {
	v := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Name: string(uid), UID: uid}}
	guest := resource.MustParse(memory)
	v.Spec.Domain.CPU = &kubevirtv1.CPU{Cores: vcpus}
	v.Spec.Domain.Memory = &kubevirtv1.Memory{Guest: &guest}
	for _, c := range change {
		c(&v.Spec.Domain)
	}
	return v
}

func args(change ...func(*config.VMUtilizationArgs)) *config.VMUtilizationArgs {
	a := &config.VMUtilizationArgs{
		Strategy: config.StrategyLeast,
		Resources: []config.VMResourceWeight{
			{Name: config.VMResourceVCPU, Weight: 1}, {Name: config.VMResourceGuestMemory, Weight: 1},
		},
		CPUOvercommitPercent: 400, MemoryOvercommitPercent: 100,
	}
	for _, c := range change {
		c(a)
	}
	return a
}

func most(a *config.VMUtilizationArgs) { a.Strategy = config.StrategyMost }

// cluster is what a test cycle runs in: a snapshot of nodes and pods, and KubeVirt's API, nil for none.
type cluster struct {
	nodes  []*corev1.Node
	pods   []*corev1.Pod
	vmis   []*kubevirtv1.VirtualMachineInstance
	noVMIs bool // KubeVirt is not installed
	// change changes the profile, which has no filters and no scores but ours.
	change func(*schedulerconfig.Plugins)
	// made is given the plugin.
	made func(*VMUtilization)
	// options come after those that every profile has.
	options []frameworkruntime.Option
}

// off switches the plugin off at the given points.
func off(points ...func(*schedulerconfig.Plugins) *schedulerconfig.PluginSet) func(*schedulerconfig.Plugins) {
	return func(p *schedulerconfig.Plugins) {
		for _, point := range points {
			point(p).Disabled = []schedulerconfig.Plugin{{Name: Name}}
		}
	}
}

func preFilter(p *schedulerconfig.Plugins) *schedulerconfig.PluginSet { return &p.PreFilter }
func preScore(p *schedulerconfig.Plugins) *schedulerconfig.PluginSet  { return &p.PreScore }

func enabled(names ...string) schedulerconfig.PluginSet {
	var set schedulerconfig.PluginSet
	for _, name := range names {
		set.Enabled = append(set.Enabled, schedulerconfig.Plugin{Name: name, Weight: 1})
	}
	return set
}

// profile makes a real framework with our plugin, and waits until it knows the nodes and the VMs.
func (c cluster) profile(ctx context.Context, tb testing.TB, pluginArgs runtime.Object) (framework.Framework, []fwk.NodeInfo, error) {
	tb.Helper()
	api := simapi.New(tb, simapi.VMIs)
	if !c.noVMIs {
		api.Install()
	}
	for _, v := range c.vmis {
		api.Set(v)
	}
	var objects []runtime.Object
	for _, n := range c.nodes {
		objects = append(objects, n)
	}
	var placed []*corev1.Pod
	for _, pod := range c.pods {
		if pod.Spec.NodeName != "" {
			placed = append(placed, pod)
		}
	}
	factory := informers.NewSharedInformerFactory(fake.NewClientset(objects...), 0)
	snapshot := cache.NewSnapshot(placed, c.nodes)
	var ours *VMUtilization
	create := NewFactory(clusterview.NewPool())
	registry := plugins.NewInTreeRegistry()
	registry[Name] = func(ctx context.Context, obj runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		pl, err := create(ctx, obj, handle)
		ours, _ = pl.(*VMUtilization)
		return pl, err
	}
	wanted := &schedulerconfig.Plugins{
		QueueSort: enabled(queuesort.Name), Bind: enabled(defaultbinder.Name), MultiPoint: enabled(Name),
	}
	if c.change != nil {
		c.change(wanted)
	}
	options := []frameworkruntime.Option{
		frameworkruntime.WithSnapshotSharedLister(snapshot), frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithKubeConfig(api.Config()), frameworkruntime.WithPodNominator(queue.NewTestQueue(ctx, nil)),
	}
	defaults, err := latest.Default() // arguments of upstream's plugins
	if err != nil {
		tb.Fatal(err)
	}
	f, err := frameworkruntime.NewFramework(ctx, registry, &schedulerconfig.KubeSchedulerProfile{
		SchedulerName: "test", Plugins: wanted,
		PluginConfig: append(defaults.Profiles[0].PluginConfig, schedulerconfig.PluginConfig{Name: Name, Args: pluginArgs}),
	}, append(options, c.options...)...)
	if err != nil {
		return nil, nil, err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	c.awaitKnown(ctx, tb, ours)
	if c.made != nil {
		c.made(ours)
	}
	hosts, err := snapshot.NodeInfos().List()
	if err != nil {
		tb.Fatal(err)
	}
	return f, hosts, nil
}

func (c cluster) awaitKnown(ctx context.Context, tb testing.TB, pl *VMUtilization) {
	tb.Helper()
	if pl == nil {
		return
	}
	err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		for _, v := range c.vmis {
			if !c.noVMIs && pl.view.VM(makePod("", "").Launcher(v.UID).Obj()).Guessed {
				return false, nil
			}
		}
		return pl.overrides.synced(), nil
	})
	if err != nil {
		tb.Fatalf("the VMs of the cluster did not become known: %v", err)
	}
}

func testContext(tb testing.TB) context.Context {
	tb.Helper()
	_, ctx := ktesting.NewTestContext(tb)
	ctx, cancel := context.WithCancel(ctx)
	tb.Cleanup(cancel)
	return ctx
}
