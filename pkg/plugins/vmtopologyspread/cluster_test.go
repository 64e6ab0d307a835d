// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtopologyspread_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	registry "github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// configuration of a scheduler that asks nothing but whether there is room and what one plugin says, of which the extension points differ.
const configuration = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
  - schedulerName: test
    plugins:
      multiPoint:
        disabled: [{name: "*"}]
        enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: NodeResourcesFit}]
`

// The plugins that count and refuse. With both, PodTopologySpread was switched off where it filters, and forgotten where it counts.
const (
	stock = `
      preFilter: {enabled: [{name: PodTopologySpread}]}
      filter: {enabled: [{name: PodTopologySpread}]}
`
	ours = `
      preFilter: {enabled: [{name: VMTopologySpread}]}
      filter: {enabled: [{name: VMTopologySpread}]}
`
	both = `
      preFilter: {enabled: [{name: VMTopologySpread}, {name: PodTopologySpread}]}
      filter: {enabled: [{name: VMTopologySpread}]}
`
	preempting = ours + `
      postFilter: {enabled: [{name: DefaultPreemption}]}
`
)

// host is in the zone that its name begins with; it has room for some pods.
func host(name string, pods int64) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{
		corev1.LabelHostname: name, corev1.LabelTopologyZone: name[:1],
	}}}
	n.Labels["pool"] = "x"
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI), corev1.ResourceCPU: resource.MustParse("64")}
	return n
}

// elsewhere takes a host out of pool x.
func elsewhere(n *corev1.Node) *corev1.Node {
	delete(n.Labels, "pool")
	return n
}

func tainted(n *corev1.Node) *corev1.Node {
	n.Spec.Taints = []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoSchedule}}
	return n
}

type podBuilder struct{ pod *corev1.Pod }

// spread is a pod that must be spread evenly over zones with all like it.
func spread(name, node string) *podBuilder {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: "default", UID: types.UID(name), Labels: map[string]string{"app": "db"}, CreationTimestamp: metav1.Unix(1_000, 0),
	}}
	p.Spec.SchedulerName, p.Spec.NodeName = "test", node
	p.Spec.Containers = []corev1.Container{{Name: "compute"}}
	p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: metav1.SetAsLabelSelector(map[string]string{"app": "db"}),
	}}
	return &podBuilder{p}
}

// launcher is a VM's.
func launcher(vm, node string) *podBuilder {
	b := spread(vm+"-on-"+node, node)
	b.pod.Labels["kubevirt.io"], b.pod.Labels["kubevirt.io/created-by"] = "virt-launcher", vm
	return b
}

func (b *podBuilder) Target() *podBuilder {
	b.pod.Labels["kubevirt.io/migrationJobUID"] = "job"
	b.pod.CreationTimestamp = metav1.Unix(2_000, 0)
	return b
}

// Spread replaces the keys that the pod is spread over.
func (b *podBuilder) Spread(keys ...string) *podBuilder {
	first := b.pod.Spec.TopologySpreadConstraints[0]
	b.pod.Spec.TopologySpreadConstraints = nil
	for _, key := range keys {
		first.TopologyKey = key
		b.pod.Spec.TopologySpreadConstraints = append(b.pod.Spec.TopologySpreadConstraints, *first.DeepCopy())
	}
	return b
}

// Constraint changes the first constraint.
func (b *podBuilder) Constraint(change func(*corev1.TopologySpreadConstraint)) *podBuilder {
	change(&b.pod.Spec.TopologySpreadConstraints[0])
	return b
}

// Named gives the pod another name and UID.
func (b *podBuilder) Named(name string) *podBuilder {
	b.pod.Name, b.pod.UID = name, types.UID(name)
	return b
}

func (b *podBuilder) Label(key, value string) *podBuilder {
	b.pod.Labels[key] = value
	return b
}

func (b *podBuilder) NodeSelector(key, value string) *podBuilder {
	b.pod.Spec.NodeSelector = map[string]string{key: value}
	return b
}

func (b *podBuilder) Priority(priority int32) *podBuilder {
	b.pod.Spec.Priority = &priority
	return b
}

func (b *podBuilder) Ending() *podBuilder {
	ended := metav1.Unix(3_000, 0)
	b.pod.DeletionTimestamp, b.pod.Finalizers = &ended, []string{"test/stays"}
	return b
}

func (b *podBuilder) Obj() *corev1.Pod { return b.pod }

func vmi(name, host string) *kubevirtv1.VirtualMachineInstance {
	v := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}}
	v.Status.NodeName = host
	return v
}

// cluster is what a scheduler finds.
type cluster struct {
	hosts []*corev1.Node
	pods  []*corev1.Pod
	vmis  []*kubevirtv1.VirtualMachineInstance
	// off are hosts that were proved to be off.
	off []string
}

var failures = failurev1alpha1.GroupVersion.WithResource("nodefailures")

// schedule lets a scheduler decide about a pod.
func (c cluster) schedule(t *testing.T, plugins string, pod *corev1.Pod) simapi.Outcome {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	loaded, err := simapi.LoadConfig([]byte(configuration + strings.TrimPrefix(plugins, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	api := simapi.New()
	api.Serve(failures, "NodeFailure")
	for _, n := range c.hosts {
		api.SetNode(n)
	}
	for _, v := range c.vmis {
		api.SetVMI(v)
	}
	for _, p := range c.pods {
		api.SetPod(p)
	}
	for _, name := range c.off {
		f := &failurev1alpha1.NodeFailure{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
		f.APIVersion, f.Kind = failurev1alpha1.GroupVersion.String(), "NodeFailure"
		f.Spec.NodeName = name
		f.Status.Fence = &failurev1alpha1.Fence{Proof: &failurev1alpha1.Proof{Kind: failurev1alpha1.ProofPoweredOff}}
		api.SetCustom(failures, f)
	}
	s, err := api.Start(ctx, simapi.Config{Profiles: loaded.Profiles, Registry: registry.NewRegistry(), PercentageOfNodesToScore: 100})
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := s.Schedule(ctx, pod.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Status.Code() == fwk.Error {
		t.Fatal(outcome.Status)
	}
	return outcome
}
