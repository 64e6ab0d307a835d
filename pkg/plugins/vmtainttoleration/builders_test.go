// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
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

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
)

func init() { metrics.Register() }

const (
	drain          = "kubevirt.io/drain"
	noSchedule     = corev1.TaintEffectNoSchedule
	noExecute      = corev1.TaintEffectNoExecute
	preferNot      = corev1.TaintEffectPreferNoSchedule
	overused       = "nodeutilization.descheduler.kubernetes.io/overutilized"
	upstreamWeight = 3 // weight of upstream's TaintToleration in its default profile
)

type nodeBuilder struct{ node *corev1.Node }

func makeNode(name string) nodeBuilder {
	return nodeBuilder{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}}
}

func (b nodeBuilder) Taint(key string, effect corev1.TaintEffect) nodeBuilder {
	b.node.Spec.Taints = append(b.node.Spec.Taints, corev1.Taint{Key: key, Effect: effect})
	return b
}

func (b nodeBuilder) Taints(taints []corev1.Taint) nodeBuilder {
	b.node.Spec.Taints = taints
	return b
}

func (b nodeBuilder) Condition(t corev1.NodeConditionType, status corev1.ConditionStatus) nodeBuilder {
	b.node.Status.Conditions = append(b.node.Status.Conditions, corev1.NodeCondition{Type: t, Status: status})
	return b
}

func (b nodeBuilder) Obj() *corev1.Node { return b.node }

type podBuilder struct{ pod *corev1.Pod }

func makePod(name string) podBuilder {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}}
	pod.Spec.Containers = []corev1.Container{{Name: "compute", Image: "image"}}
	return podBuilder{pod}
}

// makeVM makes the launcher pod of a VM.
func makeVM(name string) podBuilder {
	b := makePod(name)
	b.pod.Labels = map[string]string{"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": "vmi-" + name}
	return b
}

// Target makes the launcher pod the target of a migration.
func (b podBuilder) Target() podBuilder {
	b.pod.Labels["kubevirt.io/migrationJobUID"] = "job"
	return b
}

// Attachment makes the pod one that attaches hot-plugged disks.
func (b podBuilder) Attachment() podBuilder {
	b.pod.Labels = map[string]string{"kubevirt.io": "hotplug-disk", "kubevirt.io/created-by": "vmi"}
	return b
}

// Tolerates adds a toleration of a key, "" for all, without end and in all effects.
func (b podBuilder) Tolerates(key string) podBuilder {
	return b.Tolerations(corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
}

// ToleratesFor adds a toleration of a key's NoExecute taints for some seconds.
func (b podBuilder) ToleratesFor(key string, seconds int64) podBuilder {
	return b.Tolerations(corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: noExecute, TolerationSeconds: &seconds})
}

func (b podBuilder) Tolerations(tolerations ...corev1.Toleration) podBuilder {
	b.pod.Spec.Tolerations = append(b.pod.Spec.Tolerations, tolerations...)
	return b
}

func (b podBuilder) Obj() *corev1.Pod { return b.pod }

// defaultArgs returns what a user gets who sets nothing.
func defaultArgs(tb testing.TB, change ...func(*config.VMTaintTolerationArgs)) *config.VMTaintTolerationArgs {
	tb.Helper()
	scheme := runtime.NewScheme()
	if err := v1.AddToScheme(scheme); err != nil {
		tb.Fatal(err)
	}
	versioned := &v1.VMTaintTolerationArgs{}
	scheme.Default(versioned)
	args := &config.VMTaintTolerationArgs{}
	if err := scheme.Convert(versioned, args, nil); err != nil {
		tb.Fatal(err)
	}
	for _, c := range change {
		c(args)
	}
	return args
}

// profileOptions is what profiles of tests differ in.
type profileOptions struct {
	args     runtime.Object // of our plugin; nil: it is not enabled
	disabled schedulerconfig.Plugins
}

// makeProfile makes a real framework with upstream's TaintToleration and, on top of it, our plugin.
func makeProfile(ctx context.Context, nodes []*corev1.Node, options profileOptions) (framework.Framework, []fwk.NodeInfo, error) {
	registry := plugins.NewInTreeRegistry()
	if err := registry.Register(Name, New); err != nil {
		return nil, nil, err
	}
	one := func(name string) schedulerconfig.PluginSet {
		return schedulerconfig.PluginSet{Enabled: []schedulerconfig.Plugin{{Name: name}}}
	}
	enabled := options.disabled
	enabled.QueueSort, enabled.Bind = one(names.PrioritySort), one(names.DefaultBinder)
	enabled.MultiPoint.Enabled = []schedulerconfig.Plugin{{Name: names.TaintToleration, Weight: upstreamWeight}}
	profile := &schedulerconfig.KubeSchedulerProfile{SchedulerName: "test", Plugins: &enabled}
	if options.args != nil {
		enabled.MultiPoint.Enabled = append(enabled.MultiPoint.Enabled, schedulerconfig.Plugin{Name: Name, Weight: 2})
		profile.PluginConfig = []schedulerconfig.PluginConfig{{Name: Name, Args: options.args}}
	}
	snapshot := cache.NewSnapshot(nil, nodes)
	f, err := frameworkruntime.NewFramework(ctx, registry, profile, frameworkruntime.WithSnapshotSharedLister(snapshot),
		frameworkruntime.WithInformerFactory(informers.NewSharedInformerFactory(fake.NewClientset(), 0)))
	if err != nil {
		return nil, nil, err
	}
	hosts, err := snapshot.NodeInfos().List()
	return f, hosts, err
}

func testContext(tb testing.TB) context.Context {
	tb.Helper()
	_, ctx := ktesting.NewTestContext(tb)
	ctx, cancel := context.WithCancel(ctx)
	tb.Cleanup(cancel)
	return ctx
}
