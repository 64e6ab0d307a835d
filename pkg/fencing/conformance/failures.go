// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

func mustRead(t *testing.T, driver fencing.Driver) fencing.Reading {
	t.Helper()
	reading, err := driver.Read(t.Context(), Node)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return reading
}

// wantActions checks how often the BMC was asked for anything.
func wantActions(t *testing.T, rig Rig, forced int) {
	t.Helper()
	if got := rig.Forced(t); got != forced {
		t.Errorf("forced power-offs that reached the BMC: got %d, want %d", got, forced)
	}
	if got := rig.Others(t); got != 0 {
		t.Errorf("other power actions that reached the BMC: got %d, want 0", got)
	}
}

// wantFailure checks that reading and switching both fail as they should, change nothing and betray nothing.
func wantFailure(t *testing.T, rig Rig, driver fencing.Driver, want error) {
	t.Helper()
	before := rig.Forced(t)
	reading, err := driver.Read(t.Context(), Node)
	if !errors.Is(err, want) {
		t.Errorf("read: got %v, want %v", err, want)
	}
	if reading != (fencing.Reading{}) {
		t.Errorf("a failed read returned %+v: someone might believe it", reading)
	}
	wantDiscreet(t, rig, err)
	err = driver.PowerOff(t.Context(), Node)
	if !errors.Is(err, want) || !errors.Is(err, fencing.ErrNotSent) {
		t.Errorf("power-off: got %v, want %v and ErrNotSent", err, want)
	}
	wantDiscreet(t, rig, err)
	wantActions(t, rig, before)
	if rig.IsOff(t) {
		t.Error("the machine is off")
	}
}

// wantDiscreet checks that an error names the node and no secret.
func wantDiscreet(t *testing.T, rig Rig, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if !strings.Contains(err.Error(), Node) {
		t.Errorf("error %q does not name the node", err)
	}
	for _, secret := range []string{rig.CurrentLogin(t).Password, wrongPassword} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q contains a password", err)
		}
	}
}

// broken checks a BMC that cannot be talked to: an error of the right kind, within the time, and works again after it.
func broken(t *testing.T, rig Rig, fault Fault, timeout time.Duration, want error) {
	t.Helper()
	driver := rig.NewDriver(t, Setup{ReadTimeout: timeout})
	rig.Break(t, fault)
	// A reading and a power-off, which may take longer than a reading, on a busy machine. The test's own context is not
	// bounded: it is the driver that has to stop.
	limit := 4*timeout + grace
	late := time.AfterFunc(limit, func() {
		t.Errorf("a reading and a power-off take longer than %s with a read timeout of %s", limit, timeout)
	})
	wantFailure(t, rig, driver, want)
	late.Stop()
	wantNoLeftovers(t, rig)

	rig.Break(t, Works)
	mustRead(t, rig.NewDriver(t, Setup{ReadTimeout: patient}))
}

const wrongPassword = "not-the-password-of-this-BMC"

func wrongLogin(c *testCase) {
	t, rig := c.t, c.rig
	login := rig.CurrentLogin(t)
	rig.StoreLogin(t, Login{login.Username, wrongPassword})
	wantFailure(t, rig, rig.NewDriver(t, Setup{ReadTimeout: patient}), fencing.ErrAuth)
}

func rotatedLogin(c *testCase) {
	t, rig := c.t, c.rig
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient})
	mustRead(t, driver)
	fresh := Login{rig.CurrentLogin(t).Username, "a-new-password-for-this-BMC"}
	rig.ChangeLogin(t, fresh)
	wantFailure(t, rig, driver, fencing.ErrAuth)
	rig.StoreLogin(t, fresh)
	mustRead(t, driver) // the same driver: no restart
	if err := driver.PowerOff(t.Context(), Node); err != nil {
		t.Errorf("power-off: %v", err)
	}
	wantActions(t, rig, 1)
}

var errNoSecret = errors.New("no such Secret")

type brokenSource struct{}

func (brokenSource) Credentials(context.Context, string) (username, password string, err error) {
	return "", "", errNoSecret
}

type emptySource struct{}

func (emptySource) Credentials(context.Context, string) (username, password string, err error) {
	return "operator", "", nil
}

func unreadableLogin(c *testCase) {
	t, rig := c.t, c.rig
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient, Credentials: brokenSource{}})
	wantFailure(t, rig, driver, fencing.ErrAuth)
	wantFailure(t, rig, driver, errNoSecret) // the cause is not lost
	wantFailure(t, rig, rig.NewDriver(t, Setup{ReadTimeout: patient, Credentials: emptySource{}}), fencing.ErrAuth)
}

// leavesNothing runs through successes and failures and then looks at what the BMC still has open.
func leavesNothing(c *testCase) {
	t, rig := c.t, c.rig
	driver := rig.NewDriver(t, Setup{ReadTimeout: patient})
	for range 5 {
		mustRead(t, driver)
	}
	_, err := rig.NewDriver(t, Setup{ReadTimeout: patient, UnknownSystem: true}).Read(t.Context(), Node)
	if err == nil {
		t.Error("read a system that is not there")
	}
	if err := driver.PowerOff(t.Context(), Node); err != nil {
		t.Errorf("power-off: %v", err)
	}
	rig.WaitOff(t)
	mustRead(t, driver)
	wantNoLeftovers(t, rig)
}

// wantNoLeftovers waits for the BMC to notice that everything was closed.
func wantNoLeftovers(t *testing.T, rig Rig) {
	t.Helper()
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		left := rig.Leftovers(t)
		if left == 0 {
			return
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Errorf("left open at the BMC: %d connections and sessions, want none", left)
			return
		}
	}
}
