// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

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
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/heartbeats"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
	"github.com/virt-scheduler/virt-scheduler/test/fakewatch"
)

func init() { metrics.Register() }

const tolerance = 180 * time.Second

type nodeBuilder struct{ node *corev1.Node }

// makeNode makes a node whose virt-handler has beaten at some time, with a CPU.
func makeNode(name string, cpu simlabels.CPU) nodeBuilder {
	return makeBareNode(name).Labels(cpu.Labels())
}

// makeBareNode makes a node whose node-labeller has not run.
func makeBareNode(name string) nodeBuilder {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	n.Status.Allocatable = corev1.ResourceList{"pods": resource.MustParse("500"), "cpu": resource.MustParse("64"), "memory": resource.MustParse("256Gi")}
	return nodeBuilder{n}.Labels(simlabels.Unlabelled("amd64")).Beat("1")
}

func (b nodeBuilder) Labels(labels map[string]string) nodeBuilder {
	b.node.Labels = simlabels.With(labels, corev1.LabelHostname, b.node.Name)
	return b
}

// With sets labels, given as pairs of key and value; "-" takes one away.
func (b nodeBuilder) With(pairs ...string) nodeBuilder {
	b.node.Labels = simlabels.With(b.node.Labels, pairs...)
	return b
}

// Beat sets the heartbeat; "" takes it away.
func (b nodeBuilder) Beat(value string) nodeBuilder {
	b.node.Annotations = nil
	if value != "" {
		b.node.Annotations = map[string]string{kubevirtv1.VirtHandlerHeartbeat: value}
	}
	return b
}

func (b nodeBuilder) Taint(key string, effect corev1.TaintEffect) nodeBuilder {
	b.node.Spec.Taints = append(b.node.Spec.Taints, corev1.Taint{Key: key, Effect: effect})
	return b
}

func (b nodeBuilder) Cordoned() nodeBuilder {
	b.node.Spec.Unschedulable = true
	return b
}

func (b nodeBuilder) Allocatable(name corev1.ResourceName, quantity string) nodeBuilder {
	b.node.Status.Allocatable[name] = resource.MustParse(quantity)
	return b
}

func (b nodeBuilder) Obj() *corev1.Node { return b.node }

type podBuilder struct{ pod *corev1.Pod }

func makePod(name string) podBuilder {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}}
	pod.Spec.Containers = []corev1.Container{{Name: "compute", Image: "image"}}
	return podBuilder{pod}
}

// makeVM makes the launcher pod of a VM, of which KubeVirt has written only what it always writes.
func makeVM(vm types.UID) podBuilder {
	b := makePod("launcher-" + string(vm))
	b.pod.Labels = map[string]string{kubevirtv1.AppLabel: "virt-launcher", kubevirtv1.CreatedByLabel: string(vm)}
	b.pod.Annotations = map[string]string{kubevirtv1.DomainAnnotation: string(vm)}
	return b.Selector(kubevirtv1.NodeSchedulable, "true")
}

// Target makes the launcher pod the target of a migration.
func (b podBuilder) Target() podBuilder {
	b.pod.Name += "-target"
	b.pod.UID += "-target"
	b.pod.Labels[kubevirtv1.MigrationJobLabel] = "job"
	return b
}

// Attachment makes the pod one that attaches hot-plugged disks.
func (b podBuilder) Attachment() podBuilder {
	b.pod.Labels = map[string]string{kubevirtv1.AppLabel: "hotplug-disk", kubevirtv1.CreatedByLabel: "vm"}
	return b
}

func (b podBuilder) Selector(key, value string) podBuilder {
	if b.pod.Spec.NodeSelector == nil {
		b.pod.Spec.NodeSelector = map[string]string{}
	}
	b.pod.Spec.NodeSelector[key] = value
	return b
}

func (b podBuilder) TolerateAll() podBuilder {
	b.pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	return b
}

func (b podBuilder) Obj() *corev1.Pod { return b.pod }

// vmi makes a VirtualMachineInstance as KubeVirt's webhook leaves it: with its host's CPU model.
func vmi(uid types.UID, change ...func(*kubevirtv1.VirtualMachineInstanceSpec)) *kubevirtv1.VirtualMachineInstance {
	v := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Name: string(uid), Namespace: "default", UID: uid}}
	v.Spec.Architecture = "amd64"
	v.Spec.Domain.CPU = &kubevirtv1.CPU{Cores: 1, Model: kubevirtv1.CPUModeHostModel}
	v.Spec.Domain.Machine = &kubevirtv1.Machine{Type: "q35"}
	for _, c := range change {
		c(&v.Spec)
	}
	return v
}

func cpuModel(name string) func(*kubevirtv1.VirtualMachineInstanceSpec) {
	return func(s *kubevirtv1.VirtualMachineInstanceSpec) { s.Domain.CPU.Model = name }
}

func gpu(name string) func(*kubevirtv1.VirtualMachineInstanceSpec) {
	return func(s *kubevirtv1.VirtualMachineInstanceSpec) {
		s.Domain.Devices.GPUs = []kubevirtv1.GPU{{Name: "gpu", DeviceName: name}}
	}
}

func selector(key, value string) func(*kubevirtv1.VirtualMachineInstanceSpec) {
	return func(s *kubevirtv1.VirtualMachineInstanceSpec) { s.NodeSelector = map[string]string{key: value} }
}

func args(change ...func(*config.VMNodeSelectionArgs)) *config.VMNodeSelectionArgs {
	a := &config.VMNodeSelectionArgs{HeartbeatTolerance: tolerance, MigratabilitySaturation: 3}
	for _, c := range change {
		c(a)
	}
	return a
}

func strict(a *config.VMNodeSelectionArgs) { a.RequirePublished = true }

// cluster is what a profile of a test sees.
type cluster struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod // placed
	vmis  []*kubevirtv1.VirtualMachineInstance
	// api serves what is not core; by default it has the vmis.
	api *simapi.Server
	// without leaves our plugin out; disabled switches points of it off.
	without  bool
	disabled schedulerconfig.Plugins
	// more are upstream's plugins that are enabled besides.
	more []string
}

// profile is a real framework with our plugin in it, and what the plugin is made with.
type profile struct {
	framework.Framework
	plugin *VMNodeSelection
	clock  *testclock.FakePassiveClock
	client *fake.Clientset
	hosts  []fwk.NodeInfo
}

func (c cluster) profile(ctx context.Context, tb testing.TB, pluginArgs runtime.Object) (*profile, error) {
	tb.Helper()
	if c.api == nil {
		c.api = simapi.New(tb, simapi.VMIs)
		c.api.Install()
	}
	for _, v := range c.vmis {
		c.api.Set(v)
	}
	p := &profile{clock: testclock.NewFakePassiveClock(time.Unix(1_000_000, 0))}
	var objects []runtime.Object
	for _, n := range c.nodes {
		objects = append(objects, n)
	}
	p.client = fake.NewClientset(objects...)
	factory := informers.NewSharedInformerFactory(p.client, 0)
	registry := plugins.NewInTreeRegistry()
	make := NewFactory(clusterview.NewPool(), heartbeats.NewPool(p.clock))
	registry[Name] = func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		made, err := make(ctx, args, handle)
		p.plugin, _ = made.(*VMNodeSelection)
		return made, err
	}
	one := func(name string) schedulerconfig.PluginSet {
		return schedulerconfig.PluginSet{Enabled: []schedulerconfig.Plugin{{Name: name}}}
	}
	enabled := c.disabled
	enabled.QueueSort, enabled.Bind = one(names.PrioritySort), one(names.DefaultBinder)
	var config []schedulerconfig.PluginConfig
	for _, name := range c.more {
		if name == names.NodeAffinity {
			config = append(config, schedulerconfig.PluginConfig{Name: name, Args: &schedulerconfig.NodeAffinityArgs{}})
		}
		enabled.MultiPoint.Enabled = append(enabled.MultiPoint.Enabled, schedulerconfig.Plugin{Name: name, Weight: 2})
	}
	snapshot := cache.NewSnapshot(c.pods, c.nodes)
	if !c.without {
		enabled.MultiPoint.Enabled = append(enabled.MultiPoint.Enabled, schedulerconfig.Plugin{Name: Name, Weight: 1})
		config = append(config, schedulerconfig.PluginConfig{Name: Name, Args: pluginArgs})
	}
	var err error
	p.Framework, err = frameworkruntime.NewFramework(ctx, registry,
		&schedulerconfig.KubeSchedulerProfile{SchedulerName: "test", Plugins: &enabled, PluginConfig: config},
		frameworkruntime.WithSnapshotSharedLister(snapshot), frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithClientSet(p.client), frameworkruntime.WithKubeConfig(c.api.Config()))
	if err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	if p.hosts, err = snapshot.NodeInfos().List(); err != nil {
		return nil, err
	}
	c.await(ctx, tb, p)
	return p, nil
}

// await waits until the plugin knows the VMs and has heard the virt-handlers.
func (c cluster) await(ctx context.Context, tb testing.TB, p *profile) {
	tb.Helper()
	if p.plugin == nil {
		return
	}
	eventually(ctx, tb, "the cluster is known", func() bool {
		for _, v := range c.vmis {
			if vm := p.plugin.view.VM(makeVM(v.UID).Obj()); vm == nil || vm.Guessed {
				return false
			}
		}
		for _, n := range c.nodes {
			// Asked by another heartbeat, a node that was not seen yet is alive, and one that was is not: it was heard of
			// just now, and so not within no time at all.
			if n.Annotations[kubevirtv1.VirtHandlerHeartbeat] != "" && p.plugin.beats.Alive(n, p.clock.Now(), 0) {
				return false
			}
		}
		return true
	})
	fakewatch.Await(tb, &p.client.Fake, "nodes")
}

func mustProfile(ctx context.Context, tb testing.TB, c cluster, pluginArgs runtime.Object) *profile {
	tb.Helper()
	p, err := c.profile(ctx, tb, pluginArgs)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// result is what a cycle says of a pod.
type result struct {
	// Refused: host -> reason, with the code if it is not UnschedulableAndUnresolvable.
	Refused map[string]string
	// Scores of the others; nil when scoring was skipped.
	Scores map[string]int64
}

// cycle runs a pod through the profile, up to scores, without placing it.
func (p *profile) cycle(ctx context.Context, tb testing.TB, pod *corev1.Pod) result {
	tb.Helper()
	state := framework.NewCycleState()
	r := result{Refused: map[string]string{}}
	if _, status, _ := p.RunPreFilterPlugins(ctx, state, pod); !status.IsSuccess() {
		tb.Fatalf("PreFilter: %v", status)
	}
	var left []fwk.NodeInfo
	for _, host := range p.hosts {
		status := p.RunFilterPlugins(ctx, state, pod, host)
		switch {
		case status.IsSuccess():
			left = append(left, host)
		case status.Code() == fwk.UnschedulableAndUnresolvable:
			r.Refused[host.Node().Name] = status.Message()
		default:
			r.Refused[host.Node().Name] = status.Code().String() + ": " + status.Message()
		}
	}
	if status := p.RunPreScorePlugins(ctx, state, pod, left); !status.IsSuccess() {
		tb.Fatalf("PreScore: %v", status)
	}
	scores, status := p.RunScorePlugins(ctx, state, pod, left)
	if !status.IsSuccess() {
		tb.Fatalf("Score: %v", status)
	}
	for _, s := range scores {
		if len(s.Scores) == 0 {
			continue
		}
		if r.Scores == nil {
			r.Scores = map[string]int64{}
		}
		r.Scores[s.Name] = s.TotalScore
	}
	return r
}

func updateNode(ctx context.Context, tb testing.TB, p *profile, node *corev1.Node) {
	tb.Helper()
	if _, err := p.client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{}); err != nil {
		tb.Fatal(err)
	}
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
