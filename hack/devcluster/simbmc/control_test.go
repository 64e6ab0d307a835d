// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simbmc/simtest"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

func ptr[T any](v T) *T { return &v }

func TestControlPatch(t *testing.T) {
	cases := map[string]struct {
		before  []simhost.Patch
		patch   simhost.Patch
		want    simhost.HostState
		newBoot bool
	}{
		"power cut is Off at once": {
			patch: simhost.Patch{Power: ptr(simhost.PowerOff)},
			want:  simhost.HostState{Power: "Off", BMCReachable: true, BMCServes: "a", Kubelet: true, VirtHandler: true, Network: true},
		},
		"power coming on boots and starts the daemons": {
			before:  []simhost.Patch{{Kubelet: ptr(false), VirtHandler: ptr(false)}, {Power: ptr(simhost.PowerOff)}},
			patch:   simhost.Patch{Power: ptr(simhost.PowerOn)},
			want:    simhost.HostState{Power: "On", BMCReachable: true, BMCServes: "a", Kubelet: true, VirtHandler: true, Network: true},
			newBoot: true,
		},
		"the patch has the last word on the daemons": {
			before:  []simhost.Patch{{Power: ptr(simhost.PowerOff)}},
			patch:   simhost.Patch{Power: ptr(simhost.PowerOn), Kubelet: ptr(false)},
			want:    simhost.HostState{Power: "On", BMCReachable: true, BMCServes: "a", VirtHandler: true, Network: true},
			newBoot: true,
		},
		"back from PoweringOff without a loss of power is no boot": {
			before: []simhost.Patch{{Power: ptr(simhost.PoweringOff)}},
			patch:  simhost.Patch{Power: ptr(simhost.PowerOn)},
			want:   simhost.HostState{Power: "On", BMCReachable: true, BMCServes: "a", Kubelet: true, VirtHandler: true, Network: true},
		},
		"everything else": {
			patch: simhost.Patch{BMCReachable: ptr(false), BMCServes: ptr("b"), BMCFault: ptr("hang"), Network: ptr(false), VirtHandler: ptr(false)},
			want:  simhost.HostState{Power: "On", BMCServes: "b", BMCFault: "hang", Kubelet: true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bench := simtest.Start(t, "a", "b")
			for _, patch := range tc.before {
				bench.Change(t, "a", patch)
			}
			boot := bench.Host(t, "a").BootID
			got, err := bench.Client.Set(t.Context(), "a", tc.patch)
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Name = "a"
			ignore := cmpopts.IgnoreFields(simhost.HostState{}, "BootID", "PowerChangedAt")
			if diff := cmp.Diff(tc.want, got, ignore, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
			if newBoot := got.BootID != boot; newBoot != tc.newBoot {
				t.Errorf("new boot id: got %v, want %v", newBoot, tc.newBoot)
			}
		})
	}
}

func TestControlRefuses(t *testing.T) {
	bench := simtest.Start(t, "a")
	for name, patch := range map[string]simhost.Patch{
		"power":      {Power: ptr("off")},
		"fault":      {BMCFault: ptr("explode")},
		"serves":     {BMCServes: ptr("nobody")},
		"credential": {BMCCredential: &simhost.Credential{Username: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			patch.Network = ptr(false)
			if _, err := bench.Client.Set(t.Context(), "a", patch); err == nil {
				t.Fatal("accepted")
			}
			if !bench.Host(t, "a").Network {
				t.Error("half of a refused patch was carried out")
			}
		})
	}
	if _, err := bench.Client.Set(t.Context(), "nobody", simhost.Patch{}); err == nil {
		t.Error("patched a machine that does not exist")
	}
}

func TestControlWantsToken(t *testing.T) {
	bench := simtest.Start(t, "a")
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + simtest.Token} {
		status := bench.Get(t, bench.ControlURL()+simhost.ControlPath, http.Header{"Authorization": {header}}).StatusCode
		if status != http.StatusUnauthorized {
			t.Errorf("Authorization %q: got %d, want 401", header, status)
		}
	}
}

func TestWatch(t *testing.T) {
	bench := simtest.Start(t, "a")
	first, err := bench.Client.Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Nothing changes: the poll ends with the same revision.
	same, err := bench.Client.Watch(t.Context(), first.Revision, 10*time.Millisecond)
	if err != nil || same.Revision != first.Revision {
		t.Fatalf("idle poll: revision %d, error %v, want %d", same.Revision, err, first.Revision)
	}
	// A change ends a poll long before its time.
	type answer struct {
		snap simhost.Snapshot
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		snap, err := bench.Client.Watch(t.Context(), first.Revision, simhost.MaxWait)
		answers <- answer{snap, err}
	}()
	bench.Change(t, "a", simhost.Patch{Kubelet: ptr(false)})
	got := <-answers
	if got.err != nil {
		t.Fatal(got.err)
	}
	if host, _ := got.snap.Host("a"); host.Kubelet || got.snap.Revision <= first.Revision {
		t.Errorf("poll answered %+v at revision %d, want the change after %d", host, got.snap.Revision, first.Revision)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bench.Client.Watch(ctx, got.snap.Revision, simhost.MaxWait); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled poll: got %v, want context.Canceled", err)
	}
}
