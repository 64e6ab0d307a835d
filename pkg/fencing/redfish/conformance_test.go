// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package redfish_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simbmc/simtest"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing/conformance"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing/redfish"
)

// The suite runs against sim-bmc, our simulated hardware, over loopback TLS: a server of ours, so what both sides get
// wrong together stays unseen here.
func TestConformance(t *testing.T) {
	for name, useSession := range map[string]bool{"basic authentication": false, "session": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t, func(t *testing.T) conformance.Rig {
				t.Helper()
				return newSimRig(t, useSession)
			})
		})
	}
}

// Calls that succeed, fail and time out leave no goroutine behind.
func TestNoGoroutinesLeft(t *testing.T) {
	rig := newSimRig(t, true)
	driver := rig.NewDriver(t, conformance.Setup{ReadTimeout: 100 * time.Millisecond})
	// The simulated BMC's goroutines for connections count too: they end with the connections.
	before := runtime.NumGoroutine()
	for _, fault := range []conformance.Fault{
		conformance.Works, conformance.Unreachable, conformance.Hangs, conformance.HangsOnConnect, conformance.Impostor, conformance.Works,
	} {
		rig.Break(t, fault)
		for range 3 {
			_, err := driver.Read(t.Context(), conformance.Node)
			if err == nil && fault != conformance.Works {
				t.Errorf("read a BMC that is broken: %s", fault)
			}
		}
	}
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-poll.C:
		case <-deadline.C:
			stacks := make([]byte, 1<<20)
			t.Fatalf("goroutines: %d, want at most the %d of before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func ptr[T any](v T) *T { return &v }

// simRig is a rig of the conformance suite made of simulated hardware.
type simRig struct {
	bench      *simtest.Bench
	useSession bool

	mu    sync.Mutex
	login conformance.Login // what the Secret holds
}

func newSimRig(t *testing.T, useSession bool) *simRig {
	t.Helper()
	rig := &simRig{bench: simtest.Start(t, "neighbour", conformance.Node), useSession: useSession}
	rig.login = rig.CurrentLogin(t)
	return rig
}

func (r *simRig) Credentials(context.Context, string) (username, password string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.login.Username, r.login.Password, nil
}

func (r *simRig) NewDriver(t *testing.T, setup conformance.Setup) fencing.Driver {
	t.Helper()
	host := fencing.Host{
		NodeName: conformance.Node, Endpoint: r.Endpoint(), SystemID: r.SystemID(), CredentialsSecret: "bmc-login",
		CAFile: r.bench.CAFile, UseSession: r.useSession,
	}
	if setup.UnknownSystem {
		host.SystemID = "System.Embedded.2"
	}
	opts := redfish.Options{Hosts: []fencing.Host{host}, Credentials: r, ReadTimeout: setup.ReadTimeout}
	if setup.Credentials != nil {
		opts.Credentials = setup.Credentials
	}
	driver, err := redfish.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func (r *simRig) Endpoint() string   { return r.bench.BMCURL(conformance.Node) }
func (r *simRig) SystemID() string   { return r.bench.Hosts[1].SystemID }
func (r *simRig) SystemUUID() string { return r.bench.Hosts[1].SystemUUID }

func (r *simRig) SetPower(t *testing.T, power conformance.Power) {
	t.Helper()
	r.bench.Change(t, conformance.Node, simhost.Patch{Power: ptr(string(power))})
}

func (r *simRig) WaitOff(t *testing.T) {
	t.Helper()
	r.bench.WaitPower(t, conformance.Node, simhost.PowerOff)
}

func (r *simRig) IsOff(t *testing.T) bool {
	t.Helper()
	return r.bench.Host(t, conformance.Node).Power == simhost.PowerOff
}

func (r *simRig) Break(t *testing.T, fault conformance.Fault) {
	t.Helper()
	patch := simhost.Patch{BMCReachable: ptr(fault != conformance.Unreachable), BMCFault: ptr(simhost.FaultNone)}
	switch fault {
	case conformance.Works, conformance.Unreachable:
	case conformance.Hangs:
		patch.BMCFault = ptr(simhost.FaultHang)
	case conformance.HangsOnConnect:
		patch.BMCFault = ptr(simhost.FaultHangTLS)
	case conformance.Errors:
		patch.BMCFault = ptr(simhost.Fault500)
	case conformance.Ignores:
		patch.BMCFault = ptr(simhost.FaultIgnore)
	case conformance.ActsThenHangs:
		patch.BMCFault = ptr(simhost.FaultActThenHang)
	case conformance.Impostor:
		patch.BMCFault = ptr(simhost.FaultWrongTLS)
	case conformance.NoUUID:
		patch.BMCFault = ptr(simhost.FaultNoUUID)
	case conformance.SwappedUUID:
		patch.BMCFault = ptr(simhost.FaultSwappedUUID)
	default:
		t.Fatalf("the rig cannot produce the fault %q", fault)
	}
	r.bench.Change(t, conformance.Node, patch)
}

func (r *simRig) Forced(t *testing.T) int {
	t.Helper()
	forced, _ := r.count(t)
	return forced
}

func (r *simRig) Others(t *testing.T) int {
	t.Helper()
	_, others := r.count(t)
	return others
}

func (r *simRig) count(t *testing.T) (forced, others int) {
	t.Helper()
	for _, host := range r.bench.Snapshot().Hosts {
		for _, action := range host.PowerActions {
			if action.Machine == conformance.Node && action.System == r.SystemID() && action.ResetType == "ForceOff" {
				forced++
			} else {
				others++
			}
		}
	}
	return forced, others
}

func (r *simRig) ChangeLogin(t *testing.T, login conformance.Login) {
	t.Helper()
	r.bench.Change(t, conformance.Node, simhost.Patch{
		BMCCredential: &simhost.Credential{Username: login.Username, Password: login.Password},
	})
}

func (r *simRig) StoreLogin(t *testing.T, login conformance.Login) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.login = login
}

func (r *simRig) CurrentLogin(t *testing.T) conformance.Login {
	t.Helper()
	credential, ok := r.bench.Credential(conformance.Node)
	if !ok {
		t.Fatal("the rig has no login")
	}
	return conformance.Login{Username: credential.Username, Password: credential.Password}
}

func (r *simRig) Leftovers(t *testing.T) int {
	t.Helper()
	return r.bench.OpenConnections(conformance.Node) + r.bench.OpenSessions(conformance.Node)
}
