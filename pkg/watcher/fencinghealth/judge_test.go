// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fencinghealth

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

const (
	uuidA = "4c4c4544-0042-3510-8052-b4c04f4d4d32"
	uuidB = "5d5d4544-0042-3510-8052-b4c04f4d4d33"
	uuidX = "6e6e4544-0042-3510-8052-b4c04f4d4d34"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// lab is a checker over the nodes a and b, whose conditions a test writes by hand.
type lab struct {
	c     *Checker
	clock *testclock.FakeClock
	// last is what was said of each node.
	last map[string]string
}

func newLab() *lab {
	l := &lab{clock: testclock.NewFakeClock(start), last: map[string]string{}}
	l.c = New(Options{
		Nodes: observe.NewNodes(), Tracker: observe.NewTracker(l.clock), Clock: l.clock, Interval: time.Minute,
		Hosts: []fencing.Host{{NodeName: "a", Endpoint: "https://a", SystemID: "1"}, {NodeName: "b", Endpoint: "https://b", SystemID: "1"}},
		Override: func(node string) string {
			if node == "b" {
				return uuidX
			}
			return ""
		},
	})
	l.node("a", uuidA, corev1.ConditionTrue)
	l.node("b", uuidB, corev1.ConditionTrue)
	l.c.Tracker.Answered()
	return l
}

func (l *lab) node(name, uuid string, ready corev1.ConditionStatus) {
	l.c.Nodes.Set(&corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{
			NodeInfo:   corev1.NodeSystemInfo{SystemUUID: uuid},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
		},
	})
}

// beat renews a node's Lease.
func (l *lab) beat(name string) { l.c.Tracker.Seen(name, l.clock.Now().String()) }

func (l *lab) wait(d time.Duration) {
	for range int(d / time.Second) {
		l.clock.Step(time.Second)
		l.c.Tracker.Answered()
	}
}

func (l *lab) read(name string, power fencing.PowerState, uuid string) {
	l.say(name, fencing.Reading{Power: power, SystemUUID: uuid, SystemID: "1", Endpoint: "https://" + name}, nil)
}

func (l *lab) fail(name string, err error) { l.say(name, fencing.Reading{}, err) }

func (l *lab) say(name string, reading fencing.Reading, err error) {
	v, others, _ := l.c.judge(name, l.clock.Now(), reading, err)
	if v.reason == "" {
		return
	}
	for _, n := range append(others, name) {
		l.last[n] = v.reason
	}
}

func TestJudge(t *testing.T) {
	on, off := fencing.PowerOn, fencing.PowerOff
	tests := map[string]struct {
		play         func(*lab)
		want         map[string]string
		wantDisabled bool // of node a
	}{
		"a good reading": {
			play: func(l *lab) { l.read("a", on, uuidA) },
			want: map[string]string{"a": ReasonReady},
		},
		"one failed reading says nothing": {
			play: func(l *lab) { l.fail("a", fencing.ErrUnreachable) },
			want: map[string]string{},
		},
		"two say that the BMC is unreachable": {
			play: func(l *lab) {
				l.fail("a", fencing.ErrUnreachable)
				l.fail("a", fmt.Errorf("x: %w", fencing.ErrUnreachable))
			},
			want: map[string]string{"a": ReasonUnreachable},
		},
		"two refused logins": {
			play: func(l *lab) { l.fail("a", fencing.ErrAuth); l.fail("a", fencing.ErrAuth) },
			want: map[string]string{"a": ReasonAuth},
		},
		"two bad certificates": {
			play: func(l *lab) { l.fail("a", fencing.ErrTLS); l.fail("a", fencing.ErrTLS) },
			want: map[string]string{"a": ReasonTLS},
		},
		"a good reading in between starts the count again": {
			play: func(l *lab) {
				l.fail("a", fencing.ErrAuth)
				l.read("a", on, uuidA)
				l.fail("a", fencing.ErrAuth)
			},
			want: map[string]string{"a": ReasonReady},
		},
		"another machine": {
			play: func(l *lab) { l.read("a", on, uuidX) },
			want: map[string]string{"a": ReasonIdentityMismatch},
		},
		"another machine, but overridden": {
			play: func(l *lab) { l.read("b", on, uuidX) },
			want: map[string]string{"b": ReasonReady},
		},
		"a machine that tells no identity": {
			play: func(l *lab) { l.read("a", on, "") },
			want: map[string]string{"a": ReasonIdentityAbsent},
		},
		"one machine behind two BMCs": {
			play:         func(l *lab) { l.read("a", on, uuidA); l.read("b", on, uuidA) },
			want:         map[string]string{"a": ReasonMappedTwice, "b": ReasonMappedTwice},
			wantDisabled: true,
		},
		"and put right": {
			play: func(l *lab) {
				l.read("a", on, uuidA)
				l.read("b", on, uuidA)
				l.read("b", on, uuidB)
				l.read("a", on, uuidA)
			},
			want: map[string]string{"a": ReasonReady, "b": ReasonReady},
		},
		"a dying node: Off before its Lease is stale is no lie": {
			play: func(l *lab) {
				l.beat("a")
				l.wait(time.Second)
				l.read("a", off, uuidA)
				// Its last renewal arrives late.
				l.wait(2 * time.Second)
				l.beat("a")
				l.wait(5 * time.Second)
				l.read("a", off, uuidA)
				l.wait(15 * time.Second)
				l.read("a", off, uuidA)
			},
			want: map[string]string{},
		},
		"Off while the node goes on renewing its Lease": {
			play: func(l *lab) {
				l.beat("a")
				l.read("a", off, uuidA)
				l.wait(6 * time.Second)
				l.beat("a")
				l.wait(time.Second)
				l.read("a", off, uuidA)
			},
			want:         map[string]string{"a": ReasonOffWhileReady},
			wantDisabled: true,
		},
		"disabled stays disabled when the BMC can't be read": {
			play: func(l *lab) {
				l.c.hosts["a"].distrusted = verdict{reason: ReasonOffWhileReady}
				l.fail("a", fencing.ErrAuth)
				l.fail("a", fencing.ErrAuth)
				l.fail("a", fencing.ErrAuth)
			},
			want:         map[string]string{"a": ReasonOffWhileReady},
			wantDisabled: true,
		},
		"nor by On of another machine": {
			play: func(l *lab) {
				l.c.hosts["a"].distrusted = verdict{reason: ReasonOffWhileReady}
				l.read("a", on, uuidX)
			},
			want:         map[string]string{"a": ReasonOffWhileReady},
			wantDisabled: true,
		},
		"until it says On of the right one": {
			play: func(l *lab) {
				l.c.hosts["a"].distrusted = verdict{reason: ReasonOffWhileReady}
				l.read("a", on, uuidA)
			},
			want: map[string]string{"a": ReasonReady},
		},
		"a condition written before a restart counts": {
			play: func(l *lab) {
				node := l.c.Nodes.Get("a").DeepCopy()
				node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
					Type: failurev1alpha1.ConditionFencingReady, Status: corev1.ConditionFalse, Reason: ReasonOffWhileReady,
				})
				l.c.Nodes.Set(node)
			},
			want:         map[string]string{},
			wantDisabled: true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab()
			tc.play(l)
			if diff := cmp.Diff(tc.want, l.last); diff != "" {
				t.Errorf("said of the nodes (-want +got):\n%s", diff)
			}
			if got := l.c.Disabled(t.Context(), "a") != ""; got != tc.wantDisabled {
				t.Errorf("Disabled() = %t, want %t", got, tc.wantDisabled)
			}
		})
	}
}
