// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
)

const (
	hostname = corev1.LabelHostname
	zone     = corev1.LabelTopologyZone
)

type nodeBuilder struct{ node *corev1.Node }

// makeNode makes a node with room for much.
func makeNode(name string) nodeBuilder {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{hostname: name}}}
	n.Status.Allocatable = corev1.ResourceList{"pods": resource.MustParse("500"), "cpu": resource.MustParse("64"), "memory": resource.MustParse("256Gi")}
	return nodeBuilder{n}
}

func (b nodeBuilder) Label(key, value string) nodeBuilder {
	b.node.Labels[key] = value
	return b
}

func (b nodeBuilder) Zone(name string) nodeBuilder { return b.Label(zone, name) }

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
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID(name)}}
	pod.Spec.Containers = []corev1.Container{{Name: "compute", Image: "image"}}
	return podBuilder{pod}
}

// makeVM makes the first launcher pod of a VM.
func makeVM(vm types.UID) podBuilder {
	b := makePod("launcher-"+string(vm)).Label(kubevirtv1.AppLabel, "virt-launcher").Label(kubevirtv1.CreatedByLabel, string(vm))
	b.pod.Annotations = map[string]string{kubevirtv1.DomainAnnotation: string(vm)}
	return b.Created(1)
}

// makeTarget makes the launcher pod that a migration of a VM made at some time, as virt-controller does.
func makeTarget(vm types.UID, at int64) podBuilder {
	b := makeVM(vm).Label(kubevirtv1.MigrationJobLabel, "job")
	b.pod.Name += "-target"
	b.pod.UID += "-target"
	return b.Created(at).Anti(term(hostname, kubevirtv1.CreatedByLabel+"="+string(vm)))
}

func (b podBuilder) Label(key, value string) podBuilder {
	if b.pod.Labels == nil {
		b.pod.Labels = map[string]string{}
	}
	b.pod.Labels[key] = value
	return b
}

func (b podBuilder) UID(uid types.UID) podBuilder {
	b.pod.UID = uid
	return b
}

func (b podBuilder) Namespace(name string) podBuilder {
	b.pod.Namespace = name
	return b
}

// Created sets the time at which the pod was made, in seconds.
func (b podBuilder) Created(at int64) podBuilder {
	b.pod.CreationTimestamp = metav1.NewTime(time.Unix(at, 0))
	return b
}

// On places the pod on a node.
func (b podBuilder) On(node string) podBuilder {
	b.pod.Spec.NodeName = node
	return b
}

func (b podBuilder) Requests(name corev1.ResourceName, quantity string) podBuilder {
	c := &b.pod.Spec.Containers[0]
	if c.Resources.Requests == nil {
		c.Resources.Requests = corev1.ResourceList{}
	}
	c.Resources.Requests[name] = resource.MustParse(quantity)
	return b
}

func (b podBuilder) podAffinity() *corev1.PodAffinity {
	a := b.affinity()
	if a.PodAffinity == nil {
		a.PodAffinity = &corev1.PodAffinity{}
	}
	return a.PodAffinity
}

func (b podBuilder) podAntiAffinity() *corev1.PodAntiAffinity {
	a := b.affinity()
	if a.PodAntiAffinity == nil {
		a.PodAntiAffinity = &corev1.PodAntiAffinity{}
	}
	return a.PodAntiAffinity
}

func (b podBuilder) affinity() *corev1.Affinity {
	if b.pod.Spec.Affinity == nil {
		b.pod.Spec.Affinity = &corev1.Affinity{}
	}
	return b.pod.Spec.Affinity
}

// Near adds required affinity.
func (b podBuilder) Near(t termBuilder) podBuilder {
	a := b.podAffinity()
	a.RequiredDuringSchedulingIgnoredDuringExecution = append(a.RequiredDuringSchedulingIgnoredDuringExecution, t.term)
	return b
}

// Anti adds required anti-affinity.
func (b podBuilder) Anti(t termBuilder) podBuilder {
	a := b.podAntiAffinity()
	a.RequiredDuringSchedulingIgnoredDuringExecution = append(a.RequiredDuringSchedulingIgnoredDuringExecution, t.term)
	return b
}

// PrefersNear adds preferred affinity.
func (b podBuilder) PrefersNear(weight int32, t termBuilder) podBuilder {
	a := b.podAffinity()
	a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution,
		corev1.WeightedPodAffinityTerm{Weight: weight, PodAffinityTerm: t.term})
	return b
}

// PrefersAnti adds preferred anti-affinity.
func (b podBuilder) PrefersAnti(weight int32, t termBuilder) podBuilder {
	a := b.podAntiAffinity()
	a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution,
		corev1.WeightedPodAffinityTerm{Weight: weight, PodAffinityTerm: t.term})
	return b
}

func (b podBuilder) Obj() *corev1.Pod { return b.pod }

type termBuilder struct{ term corev1.PodAffinityTerm }

// term makes one of a topology key and a selector such as "app=web,tier in (a,b),!old".
func term(topologyKey, selector string) termBuilder {
	return termBuilder{corev1.PodAffinityTerm{TopologyKey: topologyKey, LabelSelector: parse(selector)}}
}

func (b termBuilder) In(namespaces ...string) termBuilder {
	b.term.Namespaces = slices.Clone(namespaces)
	return b
}

// InThose selects namespaces.
func (b termBuilder) InThose(selector string) termBuilder {
	b.term.NamespaceSelector = parse(selector)
	return b
}

func parse(selector string) *metav1.LabelSelector {
	parsed, err := metav1.ParseToLabelSelector(selector)
	if err != nil {
		panic(err)
	}
	return parsed
}

type vmiBuilder struct {
	vmi *kubevirtv1.VirtualMachineInstance
}

// makeVMI makes a VirtualMachineInstance that runs on a host.
func makeVMI(uid types.UID, host string) vmiBuilder {
	v := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Name: string(uid), Namespace: metav1.NamespaceDefault, UID: uid}}
	v.Status.NodeName = host
	return vmiBuilder{v}
}

// Evacuating makes it one that is to leave a host.
func (b vmiBuilder) Evacuating(host string) vmiBuilder {
	b.vmi.Status.EvacuationNodeName = host
	return b
}

func (b vmiBuilder) Obj() *kubevirtv1.VirtualMachineInstance { return b.vmi }

func makeNamespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

// defaultArgs returns what a user gets who sets nothing.
func defaultArgs(tb testing.TB, change ...func(*config.VMAffinityArgs)) *config.VMAffinityArgs {
	tb.Helper()
	versioned := &v1.VMAffinityArgs{}
	v1.SetDefaultsVMAffinityArgs(versioned)
	args := &config.VMAffinityArgs{
		HardPodAffinityWeight:              *versioned.HardPodAffinityWeight,
		IgnorePreferredTermsOfExistingPods: *versioned.IgnorePreferredTermsOfExistingPods,
		RequiredAffinityDuringMigration:    config.RequiredAffinityPolicy(*versioned.RequiredAffinityDuringMigration),
		EvacuationTaints:                   versioned.EvacuationTaints,
	}
	for _, c := range change {
		c(args)
	}
	return args
}
