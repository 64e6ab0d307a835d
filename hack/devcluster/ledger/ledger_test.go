// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func second(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }

// builder writes a ledger as the simulator would.
type builder struct{ events []simhost.GuestEvent }

func makeLedger() *builder { return &builder{} }

func (b *builder) add(vm, pod, node, event, why string, at int) *builder {
	b.events = append(b.events, simhost.GuestEvent{
		Seq: len(b.events) + 1, At: second(at), Namespace: "ns", VMI: vm, VMIUID: "vmi-" + pod, PodUID: pod, Node: node,
		Event: event, Why: why,
	})
	return b
}

func (b *builder) Start(vm, pod, node string, at int) *builder {
	return b.add(vm, pod, node, simhost.GuestStarted, simhost.WhyPodStarted, at)
}

func (b *builder) Stop(vm, pod, node string, at int) *builder {
	return b.add(vm, pod, node, simhost.GuestStopped, simhost.WhyPodGone, at)
}

func (b *builder) Migrate(vm, fromPod, from, toPod, to string, at int) *builder {
	return b.add(vm, fromPod, from, simhost.GuestStopped, simhost.WhyMigratedOut, at).
		add(vm, toPod, to, simhost.GuestStarted, simhost.WhyMigratedIn, at)
}

func (b *builder) Obj() []simhost.GuestEvent { return b.events }

func TestCheck(t *testing.T) {
	type finding struct {
		Rule Rule
		VM   string
		At   time.Time
	}
	tests := map[string]struct {
		events []simhost.GuestEvent
		want   []finding
	}{
		"empty ledger": {},
		"one guest that lives": {
			events: makeLedger().Start("a", "p1", "n1", 1).Obj(),
		},
		"restart elsewhere after the stop": {
			events: makeLedger().Start("a", "p1", "n1", 1).Stop("a", "p1", "n1", 5).Start("a", "p2", "n2", 6).Obj(),
		},
		"start at the instant of the stop": {
			events: makeLedger().Start("a", "p1", "n1", 1).Stop("a", "p1", "n1", 5).Start("a", "p2", "n2", 5).Obj(),
		},
		"migration": {
			events: makeLedger().Start("a", "p1", "n1", 1).Migrate("a", "p1", "n1", "p2", "n2", 4).Obj(),
		},
		"two VMs of one name in two namespaces are two VMs": {
			events: func() []simhost.GuestEvent {
				e := makeLedger().Start("a", "p1", "n1", 1).Start("a", "p2", "n2", 2).Obj()
				e[1].Namespace = "other"
				return e
			}(),
		},
		"second guest elsewhere while the first lives": {
			events: makeLedger().Start("a", "p1", "n1", 1).Start("a", "p2", "n2", 3).Obj(),
			want:   []finding{{RuleOneGuest, "a", second(3)}},
		},
		"second guest on the same node in another pod": {
			events: makeLedger().Start("a", "p1", "n1", 1).Start("a", "p2", "n1", 3).Obj(),
			want:   []finding{{RuleOneGuest, "a", second(3)}},
		},
		"overlap that is over by the end": {
			events: makeLedger().Start("a", "p1", "n1", 1).Start("a", "p2", "n2", 3).Stop("a", "p1", "n1", 4).Obj(),
			want:   []finding{{RuleOneGuest, "a", second(3)}},
		},
		"power cut entered late, but before the second start": {
			events: makeLedger().Start("a", "p1", "n1", 1).Start("a", "p2", "n2", 5).Stop("a", "p1", "n1", 4).Obj(),
		},
		"power cut entered first, but after the second start": {
			events: makeLedger().Start("a", "p1", "n1", 1).Stop("a", "p1", "n1", 6).Start("a", "p2", "n2", 5).Obj(),
			want:   []finding{{RuleOneGuest, "a", second(5)}},
		},
		"guest of a machine that was off already": {
			events: makeLedger().Start("a", "p1", "n1", 2).Start("a", "p2", "n2", 5).Stop("a", "p2", "n2", 4).Obj(),
		},
		"a long life overlaps more than its next": {
			events: makeLedger().Start("a", "p1", "n1", 1).Start("a", "p2", "n2", 2).Stop("a", "p2", "n2", 3).
				Start("a", "p3", "n3", 4).Obj(),
			want: []finding{{RuleOneGuest, "a", second(2)}, {RuleOneGuest, "a", second(4)}},
		},
		"stopped but never started": {
			events: makeLedger().Stop("a", "p1", "n1", 1).Obj(),
			want:   []finding{{RuleSequence, "a", second(1)}},
		},
		"started twice in one pod": {
			events: makeLedger().Start("a", "p1", "n1", 1).Start("a", "p1", "n1", 2).Obj(),
			want:   []finding{{RuleSequence, "a", second(2)}},
		},
		"gap in the numbers": {
			events: func() []simhost.GuestEvent {
				e := makeLedger().Start("a", "p1", "n1", 1).Start("b", "p2", "n2", 2).Obj()
				e[1].Seq = 3
				return e
			}(),
			want: []finding{{RuleSequence, "b", second(2)}},
		},
		"unknown event": {
			events: makeLedger().add("a", "p1", "n1", "Paused", "", 1).Obj(),
			want:   []finding{{RuleSequence, "a", second(1)}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []finding
			for _, v := range Check(tc.events) {
				got = append(got, finding{v.Rule, v.VM.Name, v.At})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Check() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLive(t *testing.T) {
	events := makeLedger().
		Start("a", "p1", "n1", 1).Migrate("a", "p1", "n1", "p2", "n2", 4).
		Start("b", "p3", "n1", 2).Stop("b", "p3", "n1", 3).
		Start("c", "p4", "n3", 2).Start("c", "p5", "n4", 5).Obj()
	got := map[string][]string{}
	for vm, guests := range Live(events) {
		for _, g := range guests {
			got[vm.String()] = append(got[vm.String()], g.Node)
		}
	}
	want := map[string][]string{"ns/a": {"n2"}, "ns/c": {"n3", "n4"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Live() (-want +got):\n%s", diff)
	}
}

// TestCheckAgreesWithEverySecond compares Check with what a clock would see: at each half second, how many guests run.
func TestCheckAgreesWithEverySecond(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := makeLedger()
		var lives [][2]int
		for i := range rapid.IntRange(0, 6).Draw(rt, "lives") {
			from := rapid.IntRange(0, 12).Draw(rt, "from")
			length := rapid.IntRange(0, 6).Draw(rt, "length")
			pod := string(rune('a' + i))
			b.Start("vm", pod, "n", from).Stop("vm", pod, "n", from+length)
			lives = append(lives, [2]int{from, from + length})
		}
		twice := false
		for half := 1; half < 40; half += 2 {
			running := 0
			for _, l := range lives {
				if 2*l[0] < half && half < 2*l[1] {
					running++
				}
			}
			twice = twice || running > 1
		}
		if got := len(Check(b.Obj())) > 0; got != twice {
			rt.Fatalf("Check() found a double guest: %v, the clock says %v: %v", got, twice, lives)
		}
	})
}

func TestGuestAt(t *testing.T) {
	guests, _ := Guests(makeLedger().Start("a", "p1", "n1", 2).Stop("a", "p1", "n1", 4).Obj())
	want := map[int]bool{1: false, 2: true, 3: true, 4: false}
	for s, running := range want {
		if got := guests[0].At(second(s)); got != running {
			t.Errorf("At(%d s) = %v, want %v", s, got, running)
		}
	}
	if got, want := guests[0].VM, (types.NamespacedName{Namespace: "ns", Name: "a"}); got != want {
		t.Errorf("VM = %v, want %v", got, want)
	}
}
