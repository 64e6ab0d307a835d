// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// joined is a node on which everything is as its agents want it.
func joined() NodeView {
	v := NodeView{
		Now: epoch, Timing: DefaultTiming(), Machine: makeHost("a").Obj(), Attached: "a-1",
		Hardware: simhost.Hardware{Name: "a", SystemUUID: "uuid-a"},
		Node:     &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
	}
	v.Node = kubeletStatus(v)
	v.Node = handlerLabels(v, true)
	v.Node = kubeletAnnotations(v)
	v.Node.Labels[ManagedLabel] = ManagedValue
	v.LastBeat = epoch
	return v
}

// deed is a NodeStep in short.
type deed struct {
	Detach, Attach, Booted, First, Registered, Status, Labelled bool
	After                                                       time.Duration
}

func TestNextNode(t *testing.T) {
	tests := map[string]struct {
		change func(*NodeView)
		want   deed
	}{
		"nothing to do": {change: func(*NodeView) {}, want: deed{After: time.Minute}},
		"half a minute later": {
			change: func(v *NodeView) { v.Now = epoch.Add(30 * time.Second) }, want: deed{After: 30 * time.Second},
		},
		"heartbeat is due": {
			change: func(v *NodeView) { v.Now = epoch.Add(time.Minute) },
			want:   deed{Labelled: true, After: time.Minute},
		},
		"virt-handler was started": {
			change: func(v *NodeView) { v.LastBeat, v.Now = time.Time{}, epoch.Add(time.Second) },
			want:   deed{Labelled: true, After: time.Minute},
		},
		"power off":         {change: func(v *NodeView) { v.Machine = makeHost("a").Off(epoch).Obj() }, want: deed{Detach: true}},
		"cut off":           {change: func(v *NodeView) { v.Machine = makeHost("a").CutOff().Obj() }, want: deed{Detach: true}},
		"kubelet dead":      {change: func(v *NodeView) { v.Machine = makeHost("a").NoKubelet().Obj() }, want: deed{Detach: true, After: time.Minute}},
		"virt-handler dead": {change: func(v *NodeView) { v.Machine = makeHost("a").NoHandler().Obj(); v.Now = epoch.Add(time.Hour) }},
		"dead and let go": {change: func(v *NodeView) {
			v.Machine = makeHost("a").Off(epoch).Obj()
			delete(v.Node.Labels, ManagedLabel)
		}},
		"back with the same boot": {
			change: func(v *NodeView) { delete(v.Node.Labels, ManagedLabel) },
			want:   deed{Attach: true, After: time.Minute},
		},
		"back with another boot": {
			change: func(v *NodeView) {
				delete(v.Node.Labels, ManagedLabel)
				v.Machine = makeHost("a").Booted("a-2", epoch).Obj()
			},
			want: deed{Attach: true, Booted: true, Status: true, After: time.Minute},
		},
		"rebooted too quickly to be let go": {
			change: func(v *NodeView) { v.Machine = makeHost("a").Booted("a-2", epoch).Obj() },
			want:   deed{Booted: true, Status: true, After: time.Minute},
		},
		"first boot": {
			change: func(v *NodeView) { v.Attached, v.Node.Status.NodeInfo.BootID = "", "" },
			want:   deed{Booted: true, First: true, Status: true, After: time.Minute},
		},
		"attaching is left to the controller": {
			change: func(v *NodeView) { delete(v.Node.Annotations, attachAnnotation) },
			want:   deed{Registered: true, After: time.Minute},
		},
		"a volume comes into use": {
			change: func(v *NodeView) { v.Volumes = []corev1.UniqueVolumeName{"v"} },
			want:   deed{Status: true, After: time.Minute},
		},
		"a volume in use on a dead node stays": {
			change: func(v *NodeView) {
				v.Machine = makeHost("a").Off(epoch).Obj()
				v.Node.Status.VolumesInUse = []corev1.UniqueVolumeName{"v"}
			},
			want: deed{Detach: true},
		},
		"label taken away between beats is put back at the next": {
			change: func(v *NodeView) { v.Node.Labels[virtv1.NodeSchedulable] = "false" },
			want:   deed{After: time.Minute},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v := joined()
			tc.change(&v)
			before := v.Node.DeepCopy()
			s := NextNode(v)
			got := deed{s.Detach, s.Attach, s.Booted, s.First, s.Registered != nil, s.Status != nil, s.Labelled != nil, s.After}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, v.Node); diff != "" {
				t.Errorf("the informer's node was changed:\n%s", diff)
			}
		})
	}
}

func TestWhatIsWrittenOnANode(t *testing.T) {
	v := joined()
	v.Machine = makeHost("a").Booted("a-2", epoch).Obj()
	v.Now = epoch.Add(2 * time.Minute)
	v.Node.Labels[virtv1.NodeSchedulable] = "false"
	s := NextNode(v)
	if got := s.Status.Status.NodeInfo; got.BootID != "a-2" || got.SystemUUID != "uuid-a" {
		t.Errorf("node info %+v", got)
	}
	for _, device := range []corev1.ResourceName{"devices.kubevirt.io/kvm", "devices.kubevirt.io/tun", "devices.kubevirt.io/vhost-net"} {
		if q := s.Status.Status.Allocatable[device]; q.Value() != devices {
			t.Errorf("allocatable %s = %s", device, q.String())
		}
	}
	if s.Labelled.Labels[virtv1.NodeSchedulable] != "true" {
		t.Error("heartbeat did not make the node schedulable")
	}
	beat := s.Labelled.Annotations[virtv1.VirtHandlerHeartbeat]
	if got, err := time.Parse(time.RFC3339, beat); err != nil || !got.Equal(v.Now) {
		t.Errorf("heartbeat %q (%v), want %s", beat, err, v.Now)
	}
}
