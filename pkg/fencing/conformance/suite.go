// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/identity"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

const (
	// patient is the read timeout where an answer is expected; a busy machine may take its time.
	patient = 20 * time.Second
	// hasty is the read timeout where none will come.
	hasty = 300 * time.Millisecond
	// grace is by how much a call may overrun twice its timeout on a busy machine; without a bound it would overrun for ever.
	grace = 10 * time.Second
)

// testCase is one case's test and rig.
type testCase struct {
	t   *testing.T
	rig Rig
}

// Run runs the suite; newRig is called for each case, for several at the same time.
func Run(t *testing.T, newRig func(t *testing.T) Rig) {
	t.Helper()
	for name, test := range map[string]func(*testCase){
		"reading names the machine":                   readsIdentity,
		"reading follows the power":                   readsPower,
		"reading changes nothing":                     readsOnly,
		"power-off acts once":                         powersOffOnce,
		"power-off of a machine that is off":          powersOffAgain,
		"accepted is not off":                         acceptedIsNotOff,
		"acted but not answered":                      actedNotAnswered,
		"identity in the other byte order":            swappedIdentity,
		"no identity":                                 noIdentity,
		"system that the BMC does not have":           unknownSystem,
		"node that is not configured":                 notConfigured,
		"wrong login":                                 wrongLogin,
		"rotated login":                               rotatedLogin,
		"login that cannot be read":                   unreadableLogin,
		"caller who gives up":                         canceled,
		"nothing is left open, whatever has happened": leavesNothing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the cases wait more than they work
			test(&testCase{t, newRig(t)})
		})
	}
	for _, tc := range []struct {
		fault   Fault
		timeout time.Duration
		want    error
	}{
		{Unreachable, patient, fencing.ErrUnreachable},
		{Hangs, hasty, fencing.ErrUnreachable},
		{HangsOnConnect, hasty, fencing.ErrUnreachable},
		{Impostor, patient, fencing.ErrTLS},
		{Errors, patient, fencing.ErrProtocol},
	} {
		t.Run("BMC "+string(tc.fault), func(t *testing.T) {
			t.Parallel()
			broken(t, newRig(t), tc.fault, tc.timeout, tc.want)
		})
	}
}

func readsIdentity(c *testCase) {
	t, rig := c.t, c.rig
	want := fencing.Reading{
		Power: fencing.PowerOn, SystemUUID: rig.SystemUUID(), SystemID: rig.SystemID(), Endpoint: rig.Endpoint(),
	}
	if diff := cmp.Diff(want, mustRead(t, rig.NewDriver(t, Setup{ReadTimeout: patient}))); diff != "" {
		t.Errorf("reading (-want +got):\n%s", diff)
	}
}

func readsPower(c *testCase) {
	t, rig := c.t, c.rig
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient})
	for _, tc := range []struct {
		power Power
		want  fencing.PowerState
	}{
		{On, fencing.PowerOn}, {Off, fencing.PowerOff}, {On, fencing.PowerOn}, {PoweringOff, fencing.PowerTransitional},
	} {
		rig.SetPower(t, tc.power)
		if got := mustRead(t, driver).Power; got != tc.want {
			t.Errorf("machine %s: got %s, want %s", tc.power, got, tc.want)
		}
	}
}

func readsOnly(c *testCase) {
	t, rig := c.t, c.rig
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient})
	for range 3 {
		mustRead(t, driver)
	}
	wantActions(t, rig, 0)
}

func powersOffOnce(c *testCase) {
	t, rig := c.t, c.rig
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient})
	if err := driver.PowerOff(t.Context(), Node); err != nil {
		t.Fatalf("power-off: %v", err)
	}
	wantActions(t, rig, 1)
	rig.WaitOff(t)
	if got := mustRead(t, driver).Power; got != fencing.PowerOff {
		t.Errorf("after the power-off: got %s, want Off", got)
	}
	wantActions(t, rig, 1)
}

func powersOffAgain(c *testCase) {
	t, rig := c.t, c.rig
	rig.SetPower(t, Off)
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient})
	// BMCs differ in whether they refuse this; both are right.
	if err := driver.PowerOff(t.Context(), Node); err != nil && !errors.Is(err, fencing.ErrRefused) {
		t.Errorf("power-off: got %v, want nothing or ErrRefused", err)
	}
	if got := mustRead(t, driver).Power; got != fencing.PowerOff {
		t.Errorf("got %s, want Off", got)
	}
	wantActions(t, rig, 1)
}

func acceptedIsNotOff(c *testCase) {
	t, rig := c.t, c.rig
	rig.Break(t, Ignores)
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient})
	if err := driver.PowerOff(t.Context(), Node); err != nil {
		t.Fatalf("power-off: %v", err)
	}
	if got := mustRead(t, driver).Power; got != fencing.PowerOn {
		t.Errorf("a machine that ignored its power-off: got %s, want On", got)
	}
	wantActions(t, rig, 1)
}

func actedNotAnswered(c *testCase) {
	t, rig := c.t, c.rig
	rig.Break(t, ActsThenHangs)
	// Slow enough for the requests before the action to succeed on a busy machine.
	err := rig.NewDriver(t, Setup{ReadTimeout: 4 * time.Second}).PowerOff(t.Context(), Node)
	if !errors.Is(err, fencing.ErrUnreachable) || errors.Is(err, fencing.ErrNotSent) {
		t.Errorf("power-off: got %v, want ErrUnreachable and not ErrNotSent", err)
	}
	wantActions(t, rig, 1)
	rig.WaitOff(t)
	if got := mustRead(t, rig.NewDriver(t, Setup{ReadTimeout: patient})).Power; got != fencing.PowerOff {
		t.Errorf("got %s, want Off", got)
	}
}

func swappedIdentity(c *testCase) {
	t, rig := c.t, c.rig
	rig.Break(t, SwappedUUID)
	got := mustRead(t, rig.NewDriver(t, Setup{ReadTimeout: patient})).SystemUUID
	if strings.EqualFold(got, rig.SystemUUID()) {
		t.Fatalf("the rig did not turn the UUID %s", got)
	}
	if verdict := identity.SameMachine(rig.SystemUUID(), got); verdict != identity.Same {
		t.Errorf("identity of %s and %s: got %v, want Same", rig.SystemUUID(), got, verdict)
	}
}

func noIdentity(c *testCase) {
	t, rig := c.t, c.rig
	rig.Break(t, NoUUID)
	if got := mustRead(t, rig.NewDriver(t, Setup{ReadTimeout: patient})).SystemUUID; got != "" {
		t.Errorf("identity: got %q, want none", got)
	}
}

func unknownSystem(c *testCase) {
	t, rig := c.t, c.rig
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient, UnknownSystem: true})
	wantFailure(t, rig, driver, fencing.ErrNoSuchSystem)
}

func notConfigured(c *testCase) {
	t, rig := c.t, c.rig
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient})
	if !driver.Configured(Node) || driver.Configured("another-node") {
		t.Errorf("Configured: got %v and %v, want true and false", driver.Configured(Node), driver.Configured("another-node"))
	}
	_, err := driver.Read(t.Context(), "another-node")
	if !errors.Is(err, fencing.ErrNotConfigured) {
		t.Errorf("read: got %v, want ErrNotConfigured", err)
	}
	err = driver.PowerOff(t.Context(), "another-node")
	if !errors.Is(err, fencing.ErrNotConfigured) || !errors.Is(err, fencing.ErrNotSent) {
		t.Errorf("power-off: got %v, want ErrNotConfigured and ErrNotSent", err)
	}
	wantActions(t, rig, 0)
}

func canceled(c *testCase) {
	t, rig := c.t, c.rig
	rig.Break(t, Hangs)
	driver := rig.NewDriver(t, Setup{ReadTimeout: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), hasty)
	defer cancel()
	if _, err := driver.Read(ctx, Node); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read: got %v, want context.DeadlineExceeded", err)
	}
}
