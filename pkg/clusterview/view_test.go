// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

var publicHost = cmp.Options{cmpopts.IgnoreUnexported(Host{}), cmpopts.IgnoreFields(Host{}, "Class"), cmpopts.EquateEmpty()}

func dedicatedCPUs(m *model.VM) { m.Size.DedicatedCPUs = true }

func hugePages(m *model.VM) { m.Size.PageSize = gib }

func ordinary(bytes int64) Memory { return Memory{{Bytes: bytes}} }

func TestHost(t *testing.T) {
	one := Load{VMs: 1, SharedVCPUs: 4, Memory: ordinary(gib)}
	tests := map[string]struct {
		pods []*corev1.Pod
		vms  []*model.VM
		fail string
		want map[string]*Host
	}{
		"empty": {want: map[string]*Host{}},
		"a VM": {
			pods: []*corev1.Pod{makePod("p", "a").Launcher("v").Requests("cpu", "1").Obj()},
			vms:  []*model.VM{vm("v", 4, gib)},
			want: map[string]*Host{"a": {Here: one, Home: one}},
		},
		"a VM that is known by its pod only": {
			pods: []*corev1.Pod{makePod("p", "a").Launcher("v").Requests("cpu", "400m", "memory", "1Mi").Obj()},
			want: map[string]*Host{"a": {
				Here: Load{VMs: 1, SharedVCPUs: 4, Memory: ordinary(1 << 20)}, Home: Load{VMs: 1, SharedVCPUs: 4, Memory: ordinary(1 << 20)},
			}},
		},
		"guests of all kinds": {
			pods: []*corev1.Pod{
				makePod("p1", "a").Launcher("v1").Obj(), makePod("p2", "a").Launcher("v2").Obj(), makePod("p3", "a").Launcher("v3").Obj(),
			},
			vms: []*model.VM{vm("v1", 4, gib), vm("v2", 2, gib, dedicatedCPUs), vm("v3", 1, 3*gib, hugePages)},
			want: map[string]*Host{"a": {
				Here: Load{VMs: 3, SharedVCPUs: 5, DedicatedVCPUs: 2, Memory: Memory{{Bytes: 2 * gib}, {Size: gib, Bytes: 3 * gib}}},
				Home: Load{VMs: 3, SharedVCPUs: 5, DedicatedVCPUs: 2, Memory: Memory{{Bytes: 2 * gib}, {Size: gib, Bytes: 3 * gib}}},
			}},
		},
		"others, not attachment pods nor what has ended": {
			pods: []*corev1.Pod{
				makePod("plain", "a").Requests("cpu", "2", "memory", "1Gi").Obj(),
				makePod("huge", "a").Requests("cpu", "1", "hugepages-1024Mi", "2Gi").Obj(),
				makePod("disk", "a").Attachment().Requests("cpu", "7").Obj(),
				makePod("failed", "a").Requests("cpu", "7").Phase(corev1.PodFailed).Obj(),
				makePod("ended", "a").Launcher("v").Phase(corev1.PodSucceeded).Obj(),
			},
			want: map[string]*Host{"a": {Others: Requests{MilliCPU: 3000, Memory: Memory{{Bytes: gib}, {Size: gib, Bytes: 2 * gib}}}}},
		},
		"a migrating VM counts here on both, and is at home at its target": {
			pods: []*corev1.Pod{makePod("s", "a").Launcher("v").Obj(), makePod("t", "b").Launcher("v").Target("job", time.Hour).Obj()},
			vms:  []*model.VM{vm("v", 4, gib)},
			want: map[string]*Host{"a": {Here: one, Outbound: 1}, "b": {Here: one, Home: one, Inbound: 1}},
		},
		"a migration that is over, whose source is still there": {
			pods: []*corev1.Pod{makePod("s", "a").Launcher("v").Obj(), makePod("t", "b").Launcher("v").Target("job", time.Hour).Obj()},
			vms:  []*model.VM{vm("v", 4, gib, over("job"))},
			want: map[string]*Host{"a": {Here: one}, "b": {Here: one, Home: one}},
		},
		"a second migration, when the first is known to be over": {
			pods: []*corev1.Pod{
				makePod("s", "a").Launcher("v").Target("job1", time.Hour).Obj(), makePod("t", "b").Launcher("v").Target("job2", 2*time.Hour).Obj(),
			},
			vms:  []*model.VM{vm("v", 4, gib, over("job1"))},
			want: map[string]*Host{"a": {Here: one, Outbound: 1}, "b": {Here: one, Home: one, Inbound: 1}},
		},
		"an aborted migration": {
			pods: []*corev1.Pod{
				makePod("s", "a").Launcher("v").Target("job1", time.Hour).Obj(), makePod("t", "b").Launcher("v").Target("job2", 2*time.Hour).Ending().Obj(),
			},
			vms:  []*model.VM{vm("v", 4, gib)},
			want: map[string]*Host{"a": {Here: one, Home: one}, "b": {Here: one}},
		},
		"a failed host": {fail: "b", want: map[string]*Host{"b": {Failed: true}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := testRig(t)
			r.nodes("a", "b")
			r.add(t, tc.pods...)
			r.refresh(t)
			// What is known of VMs and nodes comes after they were read.
			for _, m := range tc.vms {
				r.vms.Set(m)
			}
			if tc.fail != "" {
				r.failures.Set(tc.fail, true)
			}
			r.refresh(t)
			for _, name := range []string{"a", "b"} {
				want := tc.want[name]
				if want == nil {
					want = &Host{}
				}
				want.Name = name
				got := r.host(t, name)
				if diff := cmp.Diff(want, got, publicHost); diff != "" {
					t.Errorf("host %s (-want +got):\n%s", name, diff)
				}
				if named, ok := r.view.HostNamed(name); !ok || named != got {
					t.Errorf("HostNamed(%q) = %v, %t, want what Host gives", name, named, ok)
				}
			}
		})
	}
}

func TestHostNamedUnknown(t *testing.T) {
	r := testRig(t)
	r.nodes("a")
	r.refresh(t)
	if _, ok := r.view.HostNamed("b"); ok {
		t.Error("HostNamed() knows a host that is not there")
	}
}

// A change is seen by reading what it touches, and nothing else.
func TestReadsOnlyWhatChanged(t *testing.T) {
	tests := map[string]struct {
		change func(*testing.T, *rig)
		want   int
	}{
		"nothing": {change: func(*testing.T, *rig) {}, want: 0},
		"a pod comes": {change: func(t *testing.T, r *rig) {
			t.Helper()
			r.add(t, makePod("new", "b").Launcher("w").Obj())
		}, want: 1},
		"a VMI changes":    {change: func(_ *testing.T, r *rig) { r.vms.Set(vm("v", 8, gib)) }, want: 1},
		"a VMI of no host": {change: func(_ *testing.T, r *rig) { r.vms.Set(vm("w", 8, gib)) }, want: 0},
		"a migrating VMI": {
			change: func(_ *testing.T, r *rig) { r.vms.Set(vm("moving", 8, gib)) }, want: 2,
		},
		"a VM is to move: its source is not read again": {
			change: func(t *testing.T, r *rig) {
				t.Helper()
				r.add(t, makePod("t", "c").Launcher("v").Target("job", time.Hour).Obj())
			}, want: 1,
		},
		"a node fails": {change: func(_ *testing.T, r *rig) { r.failures.Set("c", true) }, want: 1},
		"both marks of one host": {
			change: func(t *testing.T, r *rig) {
				t.Helper()
				r.failures.Set("a", true)
				r.vms.Set(vm("v", 8, gib))
				r.add(t, makePod("new", "a").Obj())
			},
			want: 1,
		},
		"a node comes: the list is another": {change: func(_ *testing.T, r *rig) { r.nodes("aa") }, want: 1},
		"a node goes": {
			change: func(t *testing.T, r *rig) {
				t.Helper()
				must(t, r.cache.RemoveNode(r.logger, node("b", nil)))
			}, want: 0,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := testRig(t)
			r.nodes("a", "b", "c", "d", "e")
			r.add(t,
				makePod("p", "a").Launcher("v").Obj(),
				makePod("m1", "d").Launcher("moving").Obj(), makePod("m2", "e").Launcher("moving").Target("job", time.Hour).Obj(),
			)
			r.refresh(t)
			before := r.view.reads
			tc.change(t, r)
			r.refresh(t)
			if got := r.view.reads - before; got != tc.want {
				t.Errorf("%d hosts were read, want %d", got, tc.want)
			}
		})
	}
}

func TestManyMarksReadAll(t *testing.T) {
	r := testRig(t)
	r.nodes("a", "b", "c")
	r.add(t, makePod("p", "a").Launcher("v").Obj())
	r.refresh(t)
	before := r.view.reads
	for i := range 2 * maxMarks {
		r.view.marks.vm(types.UID(rune('A' + i)))
	}
	if kept := len(r.view.marks.now.vms); kept > maxMarks {
		t.Errorf("%d marks are kept, want at most %d", kept, maxMarks)
	}
	r.vms.Set(vm("v", 8, gib))
	r.refresh(t)
	if got := r.view.reads - before; got != 3 {
		t.Errorf("%d hosts were read, want all 3", got)
	}
	if got := r.host(t, "a").Here.SharedVCPUs; got != 8 {
		t.Errorf("%d vCPUs, want 8", got)
	}
	before = r.view.reads
	r.refresh(t)
	if r.view.reads != before {
		t.Error("all are read once more")
	}
}
