// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simbmc/simtest"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

const (
	systemsPath = "/redfish/v1/Systems"
	machinePath = systemsPath + "/" + simtest.SystemID
	decoyPath   = systemsPath + "/enclosure"
	resetAction = "/Actions/ComputerSystem.Reset"
)

// ask sends a request to a machine's BMC with the login of another machine's, or none, and returns status and body.
func ask(t *testing.T, bench *simtest.Bench, bmc, loginOf, method, path, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, bench.BMCURL(bmc)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	if login, ok := bench.Credential(loginOf); ok {
		req.SetBasicAuth(login.Username, login.Password)
	}
	resp, err := bench.HTTPClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	parsed := map[string]any{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &parsed); err != nil {
			t.Fatalf("%s %s: answer %q: %v", method, path, raw, err)
		}
	}
	return resp.StatusCode, parsed
}

func TestAuthentication(t *testing.T) {
	bench := simtest.Start(t, "a", "b")
	for _, tc := range []struct {
		method, path, loginOf string
		want                  int
	}{
		{"GET", "/redfish", "", 200},
		{"GET", "/redfish/v1", "", 200},
		{"GET", "/redfish/v1/", "", 200},
		{"GET", systemsPath, "", 401},
		{"GET", systemsPath, "b", 401},
		{"GET", systemsPath, "a", 200},
		{"GET", systemsPath + "/", "a", 200},
		{"GET", machinePath, "", 401},
		{"GET", machinePath, "a", 200},
		{"POST", machinePath + resetAction, "", 401},
		{"GET", "/redfish/v1/Chassis/1", "a", 200},
		{"GET", "/redfish/v1/Managers/1", "a", 200},
		{"GET", "/redfish/v1/SessionService", "a", 200},
		{"GET", "/redfish/v1/nothing", "", 401},
		{"GET", "/redfish/v1/nothing", "a", 404},
		{"GET", systemsPath + "/another", "a", 404},
		{"POST", systemsPath + "/another" + resetAction, "a", 404},
	} {
		if got, _ := ask(t, bench, "a", tc.loginOf, tc.method, tc.path, ""); got != tc.want {
			t.Errorf("%s %s with the login of %q: got %d, want %d", tc.method, tc.path, tc.loginOf, got, tc.want)
		}
	}
	if got := bench.Host(t, "a").PowerActions; len(got) != 0 {
		t.Errorf("refused requests were counted as power actions: %+v", got)
	}
}

// The decoy stands first: who takes the first system takes the wrong one.
func TestDecoyComesFirst(t *testing.T) {
	bench := simtest.Start(t, "a")
	bench.Change(t, "a", simhost.Patch{Power: ptr(simhost.PowerOff)})
	_, systems := ask(t, bench, "a", "a", "GET", systemsPath, "")
	var order []string
	for _, member := range systems["Members"].([]any) {
		order = append(order, member.(map[string]any)["@odata.id"].(string))
	}
	if diff := cmp.Diff([]string{decoyPath, machinePath}, order); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	_, decoy := ask(t, bench, "a", "a", "GET", decoyPath, "")
	_, machine := ask(t, bench, "a", "a", "GET", machinePath, "")
	if decoy["PowerState"] != "On" || machine["PowerState"] != "Off" || decoy["UUID"] == machine["UUID"] {
		t.Errorf("decoy %v %v, machine %v %v: want On and Off, and different UUIDs",
			decoy["PowerState"], decoy["UUID"], machine["PowerState"], machine["UUID"])
	}
}

func TestReset(t *testing.T) {
	cases := map[string]struct {
		power     string
		fault     string
		path      string
		resetType string
		want      int
		result    string
		ends      string // the power that the machine ends in
	}{
		"forced off":           {"On", "", machinePath, "ForceOff", 204, "accepted", "Off"},
		"shut down":            {"On", "", machinePath, "GracefulShutdown", 204, "accepted", "Off"},
		"on":                   {"Off", "", machinePath, "On", 204, "accepted", "On"},
		"cycle":                {"On", "", machinePath, "PowerCycle", 204, "accepted", "On"},
		"off already":          {"Off", "", machinePath, "ForceOff", 409, "refused", "Off"},
		"on already":           {"On", "", machinePath, "On", 409, "refused", "On"},
		"no such type":         {"On", "", machinePath, "Nmi", 400, "refused", "On"},
		"no type":              {"On", "", machinePath, "", 400, "refused", "On"},
		"decoy":                {"On", "", decoyPath, "ForceOff", 400, "refused", "On"},
		"ignored":              {"On", "accept-but-ignore", machinePath, "ForceOff", 204, "ignored", "On"},
		"slow":                 {"On", "slow-off", machinePath, "ForceOff", 204, "accepted", "PoweringOff"},
		"nonsense is no fault": {"On", "accept-but-ignore", machinePath, "Nmi", 400, "refused", "On"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bench := simtest.Start(t, "a", "b")
			bench.Change(t, "a", simhost.Patch{Power: &tc.power, BMCFault: &tc.fault})
			body, err := json.Marshal(map[string]string{"ResetType": tc.resetType})
			if err != nil {
				t.Fatal(err)
			}
			if got, answer := ask(t, bench, "a", "a", "POST", tc.path+resetAction, string(body)); got != tc.want {
				t.Errorf("status: got %d (%v), want %d", got, answer, tc.want)
			}
			actions := bench.Host(t, "a").PowerActions
			if len(actions) != 1 || actions[0].Result != tc.result || actions[0].ResetType != tc.resetType {
				t.Errorf("recorded %+v, want one %q that was %s", actions, tc.resetType, tc.result)
			}
			bench.WaitPower(t, "a", tc.ends)
			if others := bench.Host(t, "b"); others.Power != "On" || len(others.PowerActions) != 0 {
				t.Errorf("the neighbour is %s with %+v", others.Power, others.PowerActions)
			}
		})
	}
}

// A forced power-off passes through PoweringOff; power coming back makes a new boot.
func TestForcedOffAndOn(t *testing.T) {
	bench := simtest.Start(t, "a")
	start := bench.Snapshot()
	boot := bench.Host(t, "a").BootID
	seen := make(chan []string, 1)
	go func() {
		var powers []string
		for since := start.Revision; !slices.Contains(powers, "Off"); {
			snap, err := bench.Client.Watch(t.Context(), since, simhost.MaxWait)
			if err != nil {
				break
			}
			host, _ := snap.Host("a")
			powers, since = append(powers, host.Power), snap.Revision
		}
		seen <- slices.Compact(powers)
	}()
	ask(t, bench, "a", "a", "POST", machinePath+resetAction, `{"ResetType": "ForceOff"}`)
	if got := <-seen; got[len(got)-1] != "Off" {
		t.Errorf("power went %v, want Off in the end", got)
	}
	if got := bench.Host(t, "a").BootID; got != boot {
		t.Errorf("boot id changed to %s while the machine was off", got)
	}
	ask(t, bench, "a", "a", "POST", machinePath+resetAction, `{"ResetType": "On"}`)
	bench.WaitPower(t, "a", "On")
	if got := bench.Host(t, "a").BootID; got == boot {
		t.Error("the machine booted and has the boot id of the boot before")
	}
}

// BMCs wired wrongly: the machine behind the login is another one.
func TestBMCServes(t *testing.T) {
	bench := simtest.Start(t, "a", "b", "c")
	bench.Change(t, "a", simhost.Patch{BMCServes: ptr("b")})
	bench.Change(t, "b", simhost.Patch{Power: ptr("Off")})
	_, shown := ask(t, bench, "a", "a", "GET", machinePath, "")
	if shown["UUID"] != bench.Hosts[1].SystemUUID || shown["PowerState"] != "Off" {
		t.Errorf("a's BMC shows %v %v, want b's %s Off", shown["UUID"], shown["PowerState"], bench.Hosts[1].SystemUUID)
	}
	bench.Change(t, "b", simhost.Patch{Power: ptr("On")})
	ask(t, bench, "a", "a", "POST", machinePath+resetAction, `{"ResetType": "ForceOff"}`)
	bench.WaitPower(t, "b", "Off")
	a := bench.Host(t, "a")
	if a.Power != "On" || len(a.PowerActions) != 1 || a.PowerActions[0].Machine != "b" {
		t.Errorf("a is %s with %+v, want On, and one action of its BMC that hit b", a.Power, a.PowerActions)
	}
}

func TestSessions(t *testing.T) {
	bench := simtest.Start(t, "a")
	const sessions = "/redfish/v1/SessionService/Sessions"
	if status, _ := ask(t, bench, "a", "", "POST", sessions, `{"UserName": "operator", "Password": "wrong"}`); status != 401 {
		t.Errorf("wrong login: got %d, want 401", status)
	}
	login, _ := bench.Credential("a")
	body, err := json.Marshal(map[string]string{"UserName": login.Username, "Password": login.Password})
	if err != nil {
		t.Fatal(err)
	}
	status, session := ask(t, bench, "a", "", "POST", sessions, string(body))
	if status != 201 || bench.OpenSessions("a") != 1 {
		t.Fatalf("login: got %d and %d open sessions, want 201 and 1", status, bench.OpenSessions("a"))
	}
	bench.Change(t, "a", simhost.Patch{BMCCredential: &simhost.Credential{Username: "x", Password: "y"}})
	if got := bench.OpenSessions("a"); got != 0 {
		t.Errorf("open sessions after the login changed: got %d, want 0", got)
	}
	if status, _ := ask(t, bench, "a", "a", "DELETE", session["@odata.id"].(string), ""); status != 404 {
		t.Errorf("deleting a session that is gone: got %d, want 404", status)
	}
}

// An unreachable BMC lets go of those who are connected.
func TestUnreachableDropsConnections(t *testing.T) {
	bench := simtest.Start(t, "a")
	client := bench.HTTPClient(t)
	defer client.CloseIdleConnections()
	get := func() error {
		resp, err := client.Get(bench.BMCURL("a") + "/redfish/v1/")
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	if got := bench.OpenConnections("a"); got != 1 {
		t.Fatalf("open connections: got %d, want the idle one", got)
	}
	bench.Change(t, "a", simhost.Patch{BMCReachable: ptr(false)})
	if got := bench.OpenConnections("a"); got != 0 {
		t.Errorf("open connections of an unreachable BMC: got %d, want 0", got)
	}
	if err := get(); err == nil {
		t.Error("an unreachable BMC answered")
	}
	bench.Change(t, "a", simhost.Patch{BMCReachable: ptr(true)})
	if err := get(); err != nil {
		t.Errorf("a BMC that is reachable again: %v", err)
	}
}
