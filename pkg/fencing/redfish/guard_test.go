// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package redfish

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

// The guard is the second of two locks: it must hold also when the code above it, gofish included, changes.
func TestGuardCheck(t *testing.T) {
	const (
		bmc   = "https://bmc.example:8443"
		reset = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
	)
	type request struct {
		method, url string
		want        bool // passes
	}
	action := func(g *guard) { g.allowAction(reset) }
	cases := map[string]struct {
		prepare  func(*guard)
		requests []request
	}{
		"a reading only reads": {requests: []request{
			{"GET", bmc + "/redfish/v1/", true},
			{"HEAD", bmc + "/redfish/v1/", true},
			{"POST", bmc + reset, false},
			{"PATCH", bmc + "/redfish/v1/Systems/1", false},
			{"PUT", bmc + "/redfish/v1/Systems/1", false},
			{"DELETE", bmc + "/redfish/v1/SessionService/Sessions/1", false},
		}},
		"a power-off acts once": {prepare: action, requests: []request{
			{"GET", bmc + "/redfish/v1/", true},
			{"POST", bmc + reset, true},
			{"POST", bmc + reset, false},
			{"GET", bmc + "/redfish/v1/", true},
			{"POST", bmc + reset, false},
		}},
		"a power-off acts on the one target": {prepare: action, requests: []request{
			{"POST", bmc + "/redfish/v1/Systems/2/Actions/ComputerSystem.Reset", false},
			{"PATCH", bmc + reset, false},
			{"POST", bmc + reset, true},
		}},
		"one login": {prepare: func(g *guard) { g.loginAllowed = true }, requests: []request{
			{"POST", bmc + "/redfish/v1/SessionService/Sessions", true},
			{"POST", bmc + "/redfish/v1/SessionService/Sessions", false},
		}},
		"one logout": {prepare: func(g *guard) { g.logoutAllowed = true }, requests: []request{
			{"DELETE", bmc + "/redfish/v1/SessionService/Sessions/1", true},
			{"DELETE", bmc + "/redfish/v1/Systems/1", false},
		}},
		"nobody but the BMC": {prepare: action, requests: []request{
			{"GET", "http://bmc.example:8443/", false},
			{"GET", "https://bmc.example/", false},
			{"GET", "https://elsewhere.example:8443/", false},
			{"GET", "https://bmc.example:8443@elsewhere.example/", false},
			{"GET", "https://someone@bmc.example:8443/", false},
			{"POST", "https://elsewhere.example:8443" + reset, false},
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := &guard{host: "bmc.example:8443"}
			if tc.prepare != nil {
				tc.prepare(g)
			}
			for i, r := range tc.requests {
				u, err := url.Parse(r.url)
				if err != nil {
					t.Fatal(err)
				}
				err = g.check(&http.Request{Method: r.method, URL: u})
				if (err == nil) != r.want || err != nil && !errors.Is(err, fencing.ErrProtocol) {
					t.Errorf("request %d, %s %s: got %v, want it to pass: %v", i, r.method, r.url, err, r.want)
				}
			}
		})
	}
}

func TestCheckLink(t *testing.T) {
	for link, want := range map[string]bool{
		"/redfish/v1/Systems/1":              true,
		"/redfish/v1/Systems?$skip=1":        true,
		"":                                   false,
		"//elsewhere.example/1":              false,
		"@elsewhere.example/1":               false,
		".elsewhere.example/1":               false,
		"https://elsewhere.example/1":        false,
		"/" + strings.Repeat("x", maxLink):   false,
		"/" + strings.Repeat("x", maxLink-1): true,
	} {
		if err := checkLink(link); (err == nil) != want {
			t.Errorf("checkLink(%.40q): got %v, want it to pass: %v", link, err, want)
		}
	}
}

// The system is asked for directly where its link looks like its id: a chassis of blades has many others.
func TestRank(t *testing.T) {
	for link, want := range map[string]int{
		"/redfish/v1/Systems/System.Embedded.1":   0,
		"/redfish/v1/Systems/System.Embedded.1/":  0,
		"/redfish/v1/Systems/System%2EEmbedded.1": 0,
		"/redfish/v1/Systems/System.Embedded.10":  1,
		"/redfish/v1/Systems/enclosure":           1,
	} {
		if got := rank(link, "System.Embedded.1"); got != want {
			t.Errorf("rank(%q): got %d, want %d", link, got, want)
		}
	}
}
