// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
)

// With no other events can a verdict turn, and none of them is of a custom resource.
func TestEvents(t *testing.T) {
	ctx := testContext(t)
	p := mustProfile(ctx, t, cluster{}, args())
	events, err := p.plugin.EventsToRegister(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var actions fwk.ActionType
	for _, event := range events {
		if event.Event.Resource != fwk.Node {
			t.Errorf("event of resource %s, want Node only", event.Event.Resource)
		}
		if event.QueueingHintFn == nil {
			t.Errorf("event %v has no hint", event.Event)
		}
		if actions&event.Event.ActionType != 0 {
			t.Errorf("event %v is registered twice", event.Event)
		}
		actions |= event.Event.ActionType
	}
	want := fwk.Add | fwk.UpdateNodeLabel | fwk.UpdateNodeTaint | fwk.UpdateNodeAnnotation | fwk.UpdateNodeAllocatable
	if actions != want {
		t.Errorf("registered actions %v, want %v", actions, want)
	}
}

func TestHints(t *testing.T) {
	skylake := simlabels.Skylake()
	good := makeNode("new", skylake).Obj()
	// Of node "a" the plugin knows heartbeat 1; silent: not heard of for the tolerance when the event comes.
	a := func() nodeBuilder { return makeNode("a", skylake) }
	const add, label, taint, annotation, allocatable = fwk.Add, fwk.UpdateNodeLabel, fwk.UpdateNodeTaint, fwk.UpdateNodeAnnotation, fwk.UpdateNodeAllocatable
	tests := map[string]struct {
		action fwk.ActionType
		vm     types.UID // default: one that wishes nothing special
		pod    *corev1.Pod
		before nodeBuilder
		after  nodeBuilder
		silent bool
		want   fwk.QueueingHint
	}{
		"a new host":                              {action: add, after: makeNode("new", skylake), want: fwk.Queue},
		"a new host without virt-handler":         {action: add, after: makeNode("new", skylake).With(kubevirtv1.NodeSchedulable, "-")},
		"a new host whose virt-handler is silent": {action: add, after: makeNode("new", skylake).Beat("")},
		"a new host without the GPU":              {action: add, vm: "gpu", after: makeNode("new", skylake)},
		"a new host with the GPU":                 {action: add, vm: "gpu", after: makeNode("new", skylake).Allocatable("nvidia.com/T4", "1"), want: fwk.Queue},
		"a new host, for a pod that is no VM":     {action: add, pod: makePod("plain").Obj(), after: makeNode("new", skylake)},
		"virt-handler is ready": {
			action: label, before: a().With(kubevirtv1.NodeSchedulable, "false"), after: a(), want: fwk.Queue,
		},
		"virt-handler is ready, and beats with it": {
			action: label, before: a().With(kubevirtv1.NodeSchedulable, "false"), after: a().Beat("2"), want: fwk.Queue,
		},
		"virt-handler gives up":               {action: label, before: a(), after: a().With(kubevirtv1.NodeSchedulable, "false")},
		"a label that nothing depends on":     {action: label, before: a(), after: a().With("kubevirt.io/ksm-enabled", "true")},
		"a CPU model is found":                {action: label, vm: "icelake", before: a(), after: a().With("cpu-model.node.kubevirt.io/Icelake-Server", "true"), want: fwk.Queue},
		"a CPU model that the VM needs not":   {action: label, before: a(), after: a().With("cpu-model.node.kubevirt.io/Icelake-Server", "true")},
		"a model is found on a silent host":   {action: label, vm: "icelake", before: a(), after: a().With("cpu-model.node.kubevirt.io/Icelake-Server", "true"), silent: true},
		"a label goes with which it was bad":  {action: label, vm: "novmx", before: a(), after: a().With("cpu-feature.node.kubevirt.io/vmx", "-"), want: fwk.Queue},
		"node-labeller is switched off":       {action: label, vm: "icelake", before: a(), after: a().Labels(simlabels.Unlabelled("amd64")), want: fwk.Queue},
		"the host is no longer failed":        {action: taint, before: a().Taint(failurev1alpha1.TaintKey, corev1.TaintEffectNoSchedule), after: a(), want: fwk.Queue},
		"the host is failed":                  {action: taint, before: a(), after: a().Taint(failurev1alpha1.TaintKey, corev1.TaintEffectNoSchedule)},
		"another taint goes":                  {action: taint, before: a().Taint("kubevirt.io/drain", corev1.TaintEffectNoSchedule), after: a()},
		"no longer failed, but not heard of":  {action: taint, before: a().Taint(failurev1alpha1.TaintKey, corev1.TaintEffectNoSchedule), after: a(), silent: true},
		"a beat in time":                      {action: annotation, before: a(), after: a().Beat("2")},
		"a beat after a silence":              {action: annotation, before: a(), after: a().Beat("2"), silent: true, want: fwk.Queue},
		"a beat after a silence, no model":    {action: annotation, vm: "icelake", before: a(), after: a().Beat("2"), silent: true},
		"the first beat":                      {action: annotation, before: a().Beat(""), after: a(), want: fwk.Queue},
		"another annotation":                  {action: annotation, before: a(), after: a(), silent: true},
		"a beat of one that runs no VMs":      {action: annotation, before: a().With(kubevirtv1.NodeSchedulable, "false"), after: a().With(kubevirtv1.NodeSchedulable, "false").Beat("2"), silent: true},
		"the GPU comes":                       {action: allocatable, vm: "gpu", before: a().Allocatable("nvidia.com/T4", "0"), after: a().Allocatable("nvidia.com/T4", "1"), want: fwk.Queue},
		"more GPUs":                           {action: allocatable, vm: "gpu", before: a().Allocatable("nvidia.com/T4", "1"), after: a().Allocatable("nvidia.com/T4", "2")},
		"another GPU comes":                   {action: allocatable, vm: "gpu", before: a(), after: a().Allocatable("nvidia.com/A100", "1")},
		"a GPU comes, for a VM that needs no": {action: allocatable, before: a(), after: a().Allocatable("nvidia.com/T4", "1")},
	}
	novmx := func(s *kubevirtv1.VirtualMachineInstanceSpec) {
		s.Domain.CPU.Features = []kubevirtv1.CPUFeature{{Name: "vmx", Policy: "forbid"}}
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			p := mustProfile(ctx, t, cluster{
				nodes: []*corev1.Node{a().Obj()},
				vmis: []*kubevirtv1.VirtualMachineInstance{
					vmi("vm"), vmi("icelake", cpuModel("Icelake-Server")), vmi("gpu", gpu("nvidia.com/T4")), vmi("novmx", novmx),
				},
			}, args())
			if tc.silent {
				p.clock.SetTime(p.clock.Now().Add(tolerance))
			}
			if tc.pod == nil {
				if tc.vm == "" {
					tc.vm = "vm"
				}
				tc.pod = makeVM(tc.vm).Obj()
			}
			var before any
			if tc.before.node != nil {
				before = tc.before.Obj()
			}
			got, err := hintFor(t, p, tc.action)(klogger(t), tc.pod, before, tc.after.Obj())
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("hint %v, want %v", got, tc.want)
			}
		})
	}
	t.Run("what is no node is an error, and wakes", func(t *testing.T) {
		ctx := testContext(t)
		p := mustProfile(ctx, t, cluster{nodes: []*corev1.Node{good}}, args())
		for _, action := range []fwk.ActionType{add, annotation, allocatable} {
			if got, err := hintFor(t, p, action)(klogger(t), makeVM("vm").Obj(), nil, &corev1.Pod{}); err == nil || got != fwk.Queue {
				t.Errorf("hint %v, error %v, want Queue and an error", got, err)
			}
		}
	})
}

func klogger(t *testing.T) klog.Logger {
	t.Helper()
	logger, _ := ktesting.NewTestContext(t)
	return logger
}

func hintFor(t *testing.T, p *profile, action fwk.ActionType) fwk.QueueingHintFn {
	t.Helper()
	events, err := p.plugin.EventsToRegister(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range events {
		if event.Event.ActionType&action != 0 {
			return event.QueueingHintFn
		}
	}
	t.Fatalf("no event for %v", action)
	return nil
}

// The update of a node reaches hints and heartbeats by two ways: whichever is first, a beat after a silence wakes.
func TestHeartbeatHintInBothOrders(t *testing.T) {
	ctx := testContext(t)
	before, after := makeNode("a", simlabels.Skylake()).Obj(), makeNode("a", simlabels.Skylake()).Beat("2").Obj()
	p := mustProfile(ctx, t, cluster{nodes: []*corev1.Node{before}, vmis: []*kubevirtv1.VirtualMachineInstance{vmi("vm")}}, args())
	p.clock.SetTime(p.clock.Now().Add(tolerance))
	hint := hintFor(t, p, fwk.UpdateNodeAnnotation)
	check := func(order string) {
		t.Helper()
		if got, err := hint(klogger(t), makeVM("vm").Obj(), before, after); err != nil || got != fwk.Queue {
			t.Errorf("%s: hint %v, error %v, want Queue", order, got, err)
		}
	}
	check("the hint is first")
	updateNode(ctx, t, p, after)
	eventually(ctx, t, "the beat is seen", func() bool { return !p.plugin.beats.Alive(after, p.clock.Now(), 0) })
	check("the heartbeats are first")
	p.clock.SetTime(p.clock.Now().Add(time.Minute))
	check("the hint is late")
	// With the node as it was the scheduler's cache may lag behind; then it is alive, or the VM would wait for the next beat
	// that follows a silence.
	host := framework.NewNodeInfo()
	host.SetNode(before)
	state := framework.NewCycleState()
	pod := makeVM("vm").Obj()
	if _, status := p.plugin.PreFilter(ctx, state, pod, nil); !status.IsSuccess() {
		t.Fatal(status.AsError())
	}
	if status := p.plugin.Filter(ctx, state, pod, host); !status.IsSuccess() {
		t.Errorf("with a node from before the beat: %v", status)
	}
}
