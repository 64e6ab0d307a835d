// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package guests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

var epoch = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func on(name, boot string) simhost.HostState {
	return simhost.HostState{
		Name: name, Power: simhost.PowerOn, BootID: boot, PowerChangedAt: epoch,
		Kubelet: true, VirtHandler: true, Network: true,
	}
}

func guest(node string) Guest {
	return Guest{Namespace: "ns", VMI: "vm", VMIUID: "vmi", PodUID: "pod-" + types.UID(node), PodName: "pod-" + node, Node: node}
}

func move() Move {
	return Move{UID: "move", Namespace: "ns", VMI: "vm", Source: "a", Target: "b", TargetPod: "pod-b", TargetPodName: "pod-b"}
}

// brief is an entry without what all entries of these tests have in common.
type brief struct {
	Seq, Second      int
	Node, Event, Why string
}

func briefs(w *World) []brief {
	var out []brief
	for _, e := range w.Events(0) {
		out = append(out, brief{e.Seq, int(e.At.Sub(epoch).Seconds()), e.Node, e.Event, e.Why})
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func running(t *testing.T) *World {
	t.Helper()
	w := NewWorld(nil)
	_, err := w.SetMachines([]simhost.HostState{on("a", "a1"), on("b", "b1")})
	must(t, err)
	must(t, w.Start(guest("a"), at(1)))
	return w
}

func TestMachinesAndTheirGuests(t *testing.T) {
	off := func(second int) simhost.HostState {
		h := on("a", "a1")
		h.Power, h.PowerChangedAt = simhost.PowerOff, at(second)
		return h
	}
	poweringOff := on("a", "a1")
	poweringOff.Power, poweringOff.PowerChangedAt = simhost.PoweringOff, at(5)
	partitioned := on("a", "a1")
	partitioned.Network = false
	agentsDead := on("a", "a1")
	agentsDead.Kubelet, agentsDead.VirtHandler = false, false
	rebooted := on("a", "a2")
	rebooted.PowerChangedAt = at(7)

	tests := map[string]struct {
		then []simhost.HostState
		want []brief // after the start
	}{
		"power off ends the guest when the power went, not when it was heard of": {
			then: []simhost.HostState{off(3)},
			want: []brief{{2, 3, "a", "Stopped", "PowerOff"}},
		},
		"a guest runs on while its machine powers off": {then: []simhost.HostState{poweringOff}},
		"a guest runs on while its machine is cut off": {then: []simhost.HostState{partitioned}},
		"a guest runs on without kubelet and handler":  {then: []simhost.HostState{agentsDead}},
		"an off that was never seen ends the guest too": {
			then: []simhost.HostState{rebooted},
			want: []brief{{2, 7, "a", "Stopped", "PowerOff"}},
		},
		"off and on again ends it once": {
			then: []simhost.HostState{off(3), rebooted},
			want: []brief{{2, 3, "a", "Stopped", "PowerOff"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := running(t)
			for _, h := range tc.then {
				_, err := w.SetMachines([]simhost.HostState{h})
				must(t, err)
			}
			want := append([]brief{{1, 1, "a", "Started", "PodStarted"}}, tc.want...)
			if diff := cmp.Diff(want, briefs(w)); diff != "" {
				t.Errorf("ledger (-want +got):\n%s", diff)
			}
			if _, live := w.Guest("vmi"); live != (len(tc.want) == 0) {
				t.Errorf("live = %v", live)
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	tests := map[string]struct {
		guest Guest
		want  string
	}{
		"a second guest of the same VMI": {guest: guest("b"), want: "live already"},
		"a machine without power":        {guest: Guest{VMIUID: "other", Node: "c"}, want: "does not run"},
		"a machine that nobody knows":    {guest: Guest{VMIUID: "other", Node: "x"}, want: "does not run"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := running(t)
			_, err := w.SetMachines([]simhost.HostState{{Name: "c", Power: simhost.PowerOff}})
			must(t, err)
			err = w.Start(tc.guest, at(2))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
			if got := len(w.Events(0)); got != 1 {
				t.Errorf("%d entries in the ledger, want 1", got)
			}
		})
	}
}

func TestStopIsOfThePodThatHoldsTheGuest(t *testing.T) {
	w := running(t)
	must(t, w.Stop("vmi", "pod-of-another", at(2), simhost.WhyPodGone))
	if _, live := w.Guest("vmi"); !live {
		t.Fatal("a guest ended with a pod that it was not in")
	}
	must(t, w.Stop("vmi", "pod-a", at(3), simhost.WhyShutDown))
	must(t, w.Stop("vmi", "pod-a", at(4), simhost.WhyShutDown))
	want := []brief{{1, 1, "a", "Started", "PodStarted"}, {2, 3, "a", "Stopped", "ShutDown"}}
	if diff := cmp.Diff(want, briefs(w)); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestSwitchOver(t *testing.T) {
	off := func(name string) simhost.HostState {
		return simhost.HostState{Name: name, Power: simhost.PowerOff, BootID: name + "1", PowerChangedAt: at(3)}
	}
	tests := map[string]struct {
		then    []simhost.HostState
		wantErr bool
		want    []brief
	}{
		"is one moment": {want: []brief{{2, 4, "a", "Stopped", "MigratedOut"}, {3, 4, "b", "Started", "MigratedIn"}}},
		"does not happen without the source": {
			then: []simhost.HostState{off("a")}, wantErr: true,
			want: []brief{{2, 3, "a", "Stopped", "PowerOff"}},
		},
		"does not happen without the target":                {then: []simhost.HostState{off("b")}, wantErr: true},
		"does not happen to a target that was booted again": {then: []simhost.HostState{on("b", "b2")}, wantErr: true},
		"happens to a target whose kubelet no longer reports": {
			then: []simhost.HostState{{Name: "b", Power: simhost.PowerOn, BootID: "b1", Network: true, VirtHandler: true}},
			want: []brief{{2, 4, "a", "Stopped", "MigratedOut"}, {3, 4, "b", "Started", "MigratedIn"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := running(t)
			must(t, w.BeginMove("vmi", move(), at(2)))
			_, err := w.SetMachines(tc.then)
			must(t, err)
			if err := w.SwitchOver("vmi", at(4)); (err != nil) != tc.wantErr {
				t.Errorf("error %v, want one: %v", err, tc.wantErr)
			}
			want := append([]brief{{1, 1, "a", "Started", "PodStarted"}}, tc.want...)
			if diff := cmp.Diff(want, briefs(w)); diff != "" {
				t.Errorf("ledger (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLedgerOutlivesTheSimulator(t *testing.T) {
	path := filepath.Join(t.TempDir(), "guests.jsonl")
	w, closer, err := Open(path)
	must(t, err)
	_, err = w.SetMachines([]simhost.HostState{on("a", "a1"), on("b", "b1")})
	must(t, err)
	must(t, w.Start(guest("a"), at(1)))
	must(t, closer.Close())

	// A simulator that was killed in the middle of a line.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(`{"seq":2,"at":"2026`)
	must(t, err)
	must(t, f.Close())

	again, closer, err := Open(path)
	must(t, err)
	off := on("a", "a1")
	off.Power, off.PowerChangedAt = simhost.PowerOff, at(5)
	_, err = again.SetMachines([]simhost.HostState{off})
	must(t, err)
	must(t, closer.Close())

	last, closer, err := Open(path)
	must(t, err)
	defer func() { must(t, closer.Close()) }()
	want := []brief{{1, 1, "a", "Started", "PodStarted"}, {2, 5, "a", "Stopped", "PowerOff"}}
	if diff := cmp.Diff(want, briefs(last)); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	exit, ok := last.Exit("pod-a")
	if !ok || exit.Why != simhost.WhyPowerOff {
		t.Errorf("exit of the pod = %+v, %v", exit, ok)
	}
}

func TestEventsSince(t *testing.T) {
	w := running(t)
	must(t, w.Stop("vmi", "pod-a", at(3), simhost.WhyShutDown))
	for since, want := range map[int]int{-1: 2, 0: 2, 1: 1, 2: 0, 9: 0} {
		if got := len(w.Events(since)); got != want {
			t.Errorf("since %d: %d events, want %d", since, got, want)
		}
	}
}
