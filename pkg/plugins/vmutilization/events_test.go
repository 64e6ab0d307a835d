// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// plugin returns the plugin of a profile, once it knows the nodes and the VMs.
func (c cluster) plugin(t *testing.T, pluginArgs *config.VMUtilizationArgs) *VMUtilization {
	t.Helper()
	var ours *VMUtilization
	c.made = func(pl *VMUtilization) { ours = pl }
	if _, _, err := c.profile(testContext(t), t, pluginArgs); err != nil {
		t.Fatal(err)
	}
	return ours
}

func TestEventsToRegister(t *testing.T) {
	registered, err := (&VMUtilization{}).EventsToRegister(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[fwk.EventResource]fwk.ActionType{}
	for _, e := range registered {
		got[e.Event.Resource] |= e.Event.ActionType
		if e.QueueingHintFn == nil {
			t.Errorf("%s has no hint: every such event would wake every VM that waits", e.Event.Label())
		}
	}
	want := map[fwk.EventResource]fwk.ActionType{
		fwk.Pod:  fwk.Delete | fwk.UpdatePodScaleDown,
		fwk.Node: fwk.Add | fwk.UpdateNodeAllocatable | fwk.UpdateNodeAnnotation,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// The VM that waits has 4 vCPUs and 8 GiB. Host "both" has caps on CPU and memory, "cpu" and "memory" on one of them, "none"
// on none, and "small" is too small for it whatever is on it.
func TestHintAfterPodChange(t *testing.T) {
	t.Parallel()
	wide := func(name string) *corev1.Node {
		return node(name, "cpu", "16", "memory", "64Gi", "hugepages-1Gi", "16Gi")
	}
	c := cluster{
		nodes: []*corev1.Node{
			annotated(wide("both"), "cpu=100,memory=100"), annotated(wide("cpu"), "cpu=100"), annotated(wide("memory"), "memory=100"),
			wide("none"), annotated(node("small", "cpu", "2", "memory", "64Gi"), "cpu=100"),
		},
		vmis: []*kubevirtv1.VirtualMachineInstance{
			vmi("new", 4, "8Gi"), vmi("huge", 4, "8Gi", hugePages("1Gi")), vmi("other", 1, "1Gi"), vmi("otherhuge", 1, "1Gi", hugePages("1Gi")),
		},
	}
	pl := c.plugin(t, args())
	waiting := makePod("waiting", "").Launcher("new").Obj()
	nominated := makePod("p", "").Launcher("other").Obj()
	nominated.Status.NominatedNodeName = "both"
	plain := func(host string, requests ...string) *corev1.Pod {
		return makePod("p", host).Requests(requests...).Obj()
	}
	launcher := func(host string, vm string) *corev1.Pod {
		return makePod("p", host).Launcher(types.UID(vm)).Requests("cpu", "400m").Obj()
	}
	gone := func(pod *corev1.Pod) [2]*corev1.Pod { return [2]*corev1.Pod{pod, nil} }
	tests := map[string]struct {
		pod    *corev1.Pod // by default waiting
		change [2]*corev1.Pod
		want   fwk.QueueingHint
	}{
		"a guest leaves":                                 {change: gone(launcher("both", "other")), want: fwk.Queue},
		"a guest that is not known leaves":               {change: gone(launcher("both", "unknown")), want: fwk.Queue},
		"a guest leaves a host with a cap on CPU":        {change: gone(launcher("cpu", "other")), want: fwk.Queue},
		"a guest leaves a host without caps":             {change: gone(launcher("none", "other")), want: fwk.QueueSkip},
		"a guest leaves a host that is too small":        {change: gone(launcher("small", "other")), want: fwk.QueueSkip},
		"a guest leaves a host that is not known":        {change: gone(launcher("new host", "other")), want: fwk.Queue},
		"memory of the pool is left":                     {change: gone(launcher("memory", "other")), want: fwk.Queue},
		"memory of another pool is left":                 {change: gone(launcher("memory", "otherhuge")), want: fwk.QueueSkip},
		"huge pages for one that needs them":             {pod: makePod("w", "").Launcher("huge").Obj(), change: gone(launcher("memory", "otherhuge")), want: fwk.Queue},
		"ordinary memory for one that needs pages":       {pod: makePod("w", "").Launcher("huge").Obj(), change: gone(launcher("memory", "other")), want: fwk.QueueSkip},
		"its own source leaves":                          {change: gone(launcher("both", "new")), want: fwk.QueueSkip},
		"a guest that had no host":                       {change: gone(launcher("", "other")), want: fwk.QueueSkip},
		"one that was promised a host":                   {change: gone(nominated), want: fwk.Queue},
		"a pod that is no VM leaves":                     {change: gone(plain("both", "cpu", "1")), want: fwk.Queue},
		"one that requested nothing":                     {change: gone(plain("both")), want: fwk.QueueSkip},
		"one that requested memory, where CPU is capped": {change: gone(plain("cpu", "memory", "1Gi")), want: fwk.QueueSkip},
		"one that requested memory, where it is":         {change: gone(plain("memory", "memory", "1Gi")), want: fwk.Queue},
		"one that attached a disk": {
			change: gone(makePod("p", "both").Attachment().Requests("cpu", "1", "memory", "1Gi").Obj()), want: fwk.QueueSkip,
		},
		"scaled down": {
			change: [2]*corev1.Pod{plain("both", "cpu", "2"), plain("both", "cpu", "1")}, want: fwk.Queue,
		},
		"scaled down in what is not capped": {
			change: [2]*corev1.Pod{plain("cpu", "cpu", "1", "memory", "2Gi"), plain("cpu", "cpu", "1", "memory", "1Gi")}, want: fwk.QueueSkip,
		},
		"scaled down without a host": {
			change: [2]*corev1.Pod{plain("", "cpu", "2"), plain("", "cpu", "1")}, want: fwk.QueueSkip,
		},
		"a launcher scaled down: the guest is what it was": {
			change: [2]*corev1.Pod{launcher("both", "other"), launcher("both", "other")}, want: fwk.QueueSkip,
		},
		"a launcher scaled down whose guest is guessed by it": {
			change: [2]*corev1.Pod{launcher("both", "unknown"), launcher("both", "unknown")}, want: fwk.Queue,
		},
		"itself scaled down": {change: [2]*corev1.Pod{waiting, waiting}, want: fwk.QueueSkip},
		"itself scaled down, of a size that is guessed": {
			pod: launcher("", "unknown"), change: [2]*corev1.Pod{launcher("", "unknown"), launcher("", "unknown")}, want: fwk.Queue,
		},
		"a pod that is no VM any more": {pod: plain("", "cpu", "1"), change: gone(launcher("none", "other")), want: fwk.Queue},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.pod == nil {
				tc.pod = waiting
			}
			var after any
			if tc.change[1] != nil {
				after = tc.change[1]
			}
			got, err := pl.afterPodChange(klog.Background(), tc.pod, tc.change[0], after)
			if err != nil || got != tc.want {
				t.Errorf("hint %v, %v, want %v", got, err, tc.want)
			}
		})
	}
	if got, err := pl.afterPodChange(klog.Background(), waiting, c.nodes[0], nil); err == nil || got != fwk.Queue {
		t.Errorf("an event of something else: %v, %v, want Queue and an error", got, err)
	}
}

// The VM that waits has 4 vCPUs and 8 GiB. By the arguments hosts have a cap on CPU of 100 percent.
func TestHintAfterNodeChange(t *testing.T) {
	t.Parallel()
	pl := cluster{vmis: []*kubevirtv1.VirtualMachineInstance{vmi("new", 4, "8Gi"), vmi("huge", 4, "8Gi", hugePages("1Gi"))}}.plugin(t, args(capped(100, 0)))
	host := func(cpu, memory string) *corev1.Node { return node("n", "cpu", cpu, "memory", memory) }
	pages := func(n string) *corev1.Node {
		return annotated(node("n", "cpu", "16", "hugepages-1Gi", n), "memory=100")
	}
	tests := map[string]struct {
		vm     string // by default new
		change [2]*corev1.Node
		want   fwk.QueueingHint
	}{
		"a host comes":                       {change: [2]*corev1.Node{nil, host("4", "8Gi")}, want: fwk.Queue},
		"a host comes that is too small":     {change: [2]*corev1.Node{nil, host("3", "8Gi")}, want: fwk.QueueSkip},
		"that may be filled further":         {change: [2]*corev1.Node{nil, annotated(host("3", "8Gi"), "cpu=200")}, want: fwk.Queue},
		"with a cap on memory of its own":    {change: [2]*corev1.Node{nil, annotated(host("4", "8Gi"), "memory=50")}, want: fwk.QueueSkip},
		"more CPUs":                          {change: [2]*corev1.Node{host("16", "8Gi"), host("17", "8Gi")}, want: fwk.Queue},
		"more CPUs, still too few":           {change: [2]*corev1.Node{host("2", "8Gi"), host("3", "8Gi")}, want: fwk.QueueSkip},
		"fewer CPUs":                         {change: [2]*corev1.Node{host("17", "8Gi"), host("16", "8Gi")}, want: fwk.QueueSkip},
		"more memory, which has no cap":      {change: [2]*corev1.Node{host("16", "8Gi"), host("16", "9Gi")}, want: fwk.QueueSkip},
		"more memory, which has":             {change: [2]*corev1.Node{annotated(host("16", "8Gi"), "memory=100"), annotated(host("16", "9Gi"), "memory=100")}, want: fwk.Queue},
		"more huge pages":                    {vm: "huge", change: [2]*corev1.Node{pages("8Gi"), pages("9Gi")}, want: fwk.Queue},
		"more huge pages, not for this VM":   {change: [2]*corev1.Node{pages("8Gi"), pages("9Gi")}, want: fwk.QueueSkip},
		"a heartbeat":                        {change: [2]*corev1.Node{host("16", "8Gi"), host("16", "8Gi")}, want: fwk.QueueSkip},
		"a higher cap":                       {change: [2]*corev1.Node{annotated(host("16", "8Gi"), "cpu=200"), annotated(host("16", "8Gi"), "cpu=300")}, want: fwk.Queue},
		"a higher cap, still too low":        {change: [2]*corev1.Node{annotated(host("2", "8Gi"), "cpu=100"), annotated(host("2", "8Gi"), "cpu=150")}, want: fwk.QueueSkip},
		"a lower cap":                        {change: [2]*corev1.Node{annotated(host("16", "8Gi"), "cpu=300"), annotated(host("16", "8Gi"), "cpu=200")}, want: fwk.QueueSkip},
		"a cap above that of the arguments":  {change: [2]*corev1.Node{host("16", "8Gi"), annotated(host("16", "8Gi"), "cpu=200")}, want: fwk.Queue},
		"a cap below that of the arguments":  {change: [2]*corev1.Node{host("16", "8Gi"), annotated(host("16", "8Gi"), "cpu=50")}, want: fwk.QueueSkip},
		"a low cap goes":                     {change: [2]*corev1.Node{annotated(host("16", "8Gi"), "cpu=50"), host("16", "8Gi")}, want: fwk.Queue},
		"a low cap becomes unreadable":       {change: [2]*corev1.Node{annotated(host("16", "8Gi"), "cpu=50"), annotated(host("16", "8Gi"), "cpu=x")}, want: fwk.Queue},
		"a cap on memory goes":               {change: [2]*corev1.Node{annotated(host("16", "8Gi"), "memory=50"), host("16", "8Gi")}, want: fwk.Queue},
		"a higher cap on memory, not for it": {vm: "huge", change: [2]*corev1.Node{pages("8Gi"), annotated(pages("8Gi"), "memory=200")}, want: fwk.QueueSkip},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.vm == "" {
				tc.vm = "new"
			}
			var before any
			if tc.change[0] != nil {
				before = tc.change[0]
			}
			waiting := makePod("waiting", "").Launcher(types.UID(tc.vm)).Obj()
			got, err := pl.afterNodeChange(klog.Background(), waiting, before, tc.change[1])
			if err != nil || got != tc.want {
				t.Errorf("hint %v, %v, want %v", got, err, tc.want)
			}
		})
	}
	plain := makePod("plain", "").Obj()
	if got, err := pl.afterNodeChange(klog.Background(), plain, nil, host("1", "1Gi")); err != nil || got != fwk.Queue {
		t.Errorf("a pod that is no VM any more: %v, %v, want Queue", got, err)
	}
	if got, err := pl.afterNodeChange(klog.Background(), makePod("w", "").Launcher("new").Obj(), nil, plain); err == nil || got != fwk.Queue {
		t.Errorf("an event of something else: %v, %v, want Queue and an error", got, err)
	}
}
