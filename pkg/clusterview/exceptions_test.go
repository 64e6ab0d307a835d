// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

func at(host string) func(*model.VM) { return func(m *model.VM) { m.Host = host } }

// Others wait for the VMs that are under way, also where the view has not seen yet where they are going.
func TestMoves(t *testing.T) {
	source := makePod("s", "a").Launcher("v").Obj()
	both := []*corev1.Pod{source, makePod("t", "b").Launcher("v").Target("job", time.Hour).Obj()}
	tests := map[string]struct {
		pods []*corev1.Pod
		host string // where the guest is said to be, after the refresh
		want bool
	}{
		"it is nowhere":                         {host: "a"},
		"it is where it is said to be":          {pods: both[:1], host: "a"},
		"nobody says where it is":               {pods: both[:1]},
		"it is said to be where no pod was":     {pods: both[:1], host: "b", want: true},
		"it has two pods":                       {pods: both, host: "a", want: true},
		"it has two pods, and is at the second": {pods: both, host: "b", want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := testRig(t)
			r.nodes("a", "b")
			r.add(t, tc.pods...)
			if r.vms.Set(vm("v", 1, gib, at(tc.host))); r.view.moves("v") {
				t.Error("it moves, and nobody follows affinity")
			}
			r.view.FollowAffinity()
			r.vms.Set(vm("v", 1, gib, at("a")))
			r.refresh(t)
			r.vms.Set(vm("v", 1, gib, at(tc.host)))
			if got := r.view.moves("v"); got != tc.want {
				t.Errorf("moves: %t, want %t", got, tc.want)
			}
		})
	}
}

// Off is what the last refresh has seen.
func TestOff(t *testing.T) {
	r := testRig(t)
	r.nodes("a", "b")
	r.view.FollowAffinity()
	r.refresh(t)
	r.failures.Prove("a", true, true)
	if r.view.Off("a") {
		t.Error("a is off before a refresh")
	}
	r.refresh(t)
	for host, want := range map[string]bool{"a": true, "b": false, "unknown": false} {
		if got := r.view.Off(host); got != want {
			t.Errorf("%s is off: %t, want %t", host, got, want)
		}
	}
	for _, l := range launchersAfter(t, r, makePod("p", "a").Launcher("v").Obj()) {
		if !l.Off {
			t.Error("its launcher is not")
		}
	}
}

func launchersAfter(t *testing.T, r *rig, pod *corev1.Pod) []Launcher {
	t.Helper()
	r.add(t, pod)
	r.refresh(t)
	launchers := r.view.Launchers(types.UID(pod.Labels["kubevirt.io/created-by"]))
	if len(launchers) != 1 {
		t.Fatalf("%d launchers, want 1", len(launchers))
	}
	return launchers
}
