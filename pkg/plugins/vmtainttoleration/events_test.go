// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	"pgregory.net/rapid"
)

func TestEventsToRegister(t *testing.T) {
	events, err := newPlugin(defaultArgs(t), false).EventsToRegister(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []fwk.ClusterEvent
	for _, e := range events {
		if e.QueueingHintFn == nil {
			t.Errorf("no hint for %v", e.Event)
		}
		got = append(got, e.Event)
	}
	want := []fwk.ClusterEvent{
		{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeTaint}, {Resource: fwk.Pod, ActionType: fwk.UpdatePodToleration},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(fwk.ClusterEvent{})); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestHintAfterNodeChange(t *testing.T) {
	wild := makeVM("vm").Tolerates("").Obj()
	plain := makeVM("vm").ToleratesFor(corev1.TaintNodeNotReady, 300).Obj()
	draining := makeNode("host").Taint(drain, noSchedule).Obj()
	twin := makeNode("host").Taint(corev1.TaintNodeNotReady, noExecute).Obj()
	clean := makeNode("host").Obj()
	tests := map[string]struct {
		pod      *corev1.Pod
		old, now any
		want     fwk.QueueingHint
		wantErr  bool
	}{
		"a clean node is added":                         {pod: wild, now: clean, want: fwk.Queue},
		"a draining node is added":                      {pod: wild, now: draining},
		"a node is drained":                             {pod: wild, old: clean, now: draining},
		"a drain ends":                                  {pod: wild, old: draining, now: clean, want: fwk.Queue},
		"a drain becomes a taint that is tolerated":     {pod: wild, old: draining, now: makeNode("host").Taint("example.com/a", noSchedule).Obj(), want: fwk.Queue},
		"one of two evacuation taints goes":             {pod: wild, old: makeNode("host").Taint(drain, noSchedule).Taint("medik8s.io/drain", noSchedule).Obj(), now: draining},
		"a drain becomes mere advice":                   {pod: wild, old: draining, now: makeNode("host").Taint(drain, preferNot).Obj(), want: fwk.Queue},
		"another taint goes, it was a home before":      {pod: wild, old: makeNode("host").Taint("example.com/a", noSchedule).Obj(), now: clean},
		"a node is ready again":                         {pod: plain, old: twin, now: clean, want: fwk.Queue},
		"not ready becomes a taint nothing tolerates":   {pod: plain, old: twin, now: makeNode("host").Taint("example.com/a", noSchedule).Obj()},
		"the taint that nothing tolerates goes as well": {pod: plain, old: makeNode("host").Taint("example.com/a", noSchedule).Obj(), now: clean, want: fwk.Queue},
		"the NoExecute twin alone is left":              {pod: plain, old: makeNode("host").Taint(corev1.TaintNodeNotReady, noSchedule).Taint(corev1.TaintNodeNotReady, noExecute).Obj(), now: twin},
		"something else than a node":                    {pod: plain, now: plain, want: fwk.Queue, wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			logger, _ := ktesting.NewTestContext(t)
			got, err := newPlugin(defaultArgs(t), false).isSchedulableAfterNodeChange(logger, tc.pod, tc.old, tc.now)
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("hint %v, error %v, want %v", got, err, tc.want)
			}
		})
	}
}

func TestHintAfterTolerationChange(t *testing.T) {
	pod := makeVM("vm").Tolerates("").Obj()
	tests := map[string]struct {
		old, now any
		want     fwk.QueueingHint
		wantErr  bool
	}{
		"its own":                   {old: pod, now: makeVM("vm").Tolerates("").Tolerates(drain).Obj(), want: fwk.Queue},
		"another's":                 {old: makeVM("other").Obj(), now: makeVM("other").Tolerates(drain).Obj()},
		"something else than a pod": {old: makeNode("host").Obj(), now: makeNode("host").Obj(), want: fwk.Queue, wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			logger, _ := ktesting.NewTestContext(t)
			got, err := newPlugin(defaultArgs(t), false).isSchedulableAfterTolerationChange(logger, pod, tc.old, tc.now)
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("hint %v, error %v, want %v", got, err, tc.want)
			}
		})
	}
}

// No wake-up is missed and none is idle: a VM is woken by a change of a node exactly when the profile refused the host
// before and does not now.
func TestHintIsTheVerdictOfTheProfile(t *testing.T) {
	args := defaultArgs(t)
	ctx := testContext(t)
	logger, _ := ktesting.NewTestContext(t)
	pl := newPlugin(args, false)
	rapid.Check(t, func(rt *rapid.T) {
		before, after := drawNodes(rt)[0], drawNodes(rt)[0]
		pod := makeVM("vm").Tolerations(drawTolerations(rt)...).Obj()
		refused := func(node *corev1.Node) bool {
			f, hosts, err := makeProfile(ctx, []*corev1.Node{node}, profileOptions{args: args})
			if err != nil {
				rt.Fatal(err)
			}
			return len(cycle(ctx, t, f, pod, hosts).Refused) > 0
		}
		want := fwk.QueueSkip
		if refused(before) && !refused(after) {
			want = fwk.Queue
		}
		got, err := pl.isSchedulableAfterNodeChange(logger, pod, before, after)
		if err != nil || got != want {
			rt.Fatalf("hint %v, error %v, want %v", got, err, want)
		}
	})
}
