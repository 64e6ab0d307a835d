// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package redfish_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing/redfish"
)

func TestPowerOffOddBMC(t *testing.T) {
	cases := map[string]struct {
		odd       map[string]http.HandlerFunc
		wantErr   error // nil: accepted
		wantPosts int
	}{
		"answers with a task": {
			odd:       map[string]http.HandlerFunc{"POST " + resetPath: says(202, `{"@odata.id": "/redfish/v1/TaskService/Tasks/1"}`)},
			wantPosts: 1,
		},
		"lists no reset types": {
			odd:       map[string]http.HandlerFunc{"GET " + systemPath: says(200, system("On", resetPath, ""))},
			wantPosts: 1,
		},
		"lists reset types in an ActionInfo": {
			odd: map[string]http.HandlerFunc{
				"GET " + systemPath: says(200, system("On", resetPath, `"@Redfish.ActionInfo": "/redfish/v1/Systems/1/ResetActionInfo"`)),
				"GET /redfish/v1/Systems/1/ResetActionInfo": says(200,
					`{"Id": "i", "Parameters": [{"Name": "ResetType", "DataType": "String", "AllowableValues": ["On", "ForceOff"]}]}`),
			},
			wantPosts: 1,
		},
		"does not allow ForceOff": {
			odd: map[string]http.HandlerFunc{
				"GET " + systemPath: says(200, system("On", resetPath, `"ResetType@Redfish.AllowableValues": ["On", "GracefulShutdown"]`)),
			},
			wantErr: fencing.ErrRefused, wantPosts: 0,
		},
		"does not allow ForceOff in its ActionInfo": {
			odd: map[string]http.HandlerFunc{
				"GET " + systemPath: says(200, system("On", resetPath, `"@Redfish.ActionInfo": "/redfish/v1/Systems/1/ResetActionInfo"`)),
				"GET /redfish/v1/Systems/1/ResetActionInfo": says(200,
					`{"Id": "i", "Parameters": [{"Name": "ResetType", "DataType": "String", "AllowableValues": ["GracefulShutdown"]}]}`),
			},
			wantErr: fencing.ErrRefused, wantPosts: 0,
		},
		// gofish's own Reset sends the action again after this answer.
		"wants a precondition": {
			odd:     map[string]http.HandlerFunc{"POST " + resetPath: says(412, `{}`)},
			wantErr: fencing.ErrRefused, wantPosts: 1,
		},
		"conflicts": {
			odd:     map[string]http.HandlerFunc{"POST " + resetPath: says(409, `{}`)},
			wantErr: fencing.ErrRefused, wantPosts: 1,
		},
		"is busy": {
			odd:     map[string]http.HandlerFunc{"POST " + resetPath: says(503, `{}`)},
			wantErr: fencing.ErrRefused, wantPosts: 1,
		},
		// A redirect of this kind repeats the POST, body and all.
		"redirects the action": {
			odd: map[string]http.HandlerFunc{
				"POST " + resetPath: sends(307, "/elsewhere"),
				"POST /elsewhere":   says(204, ""),
			},
			wantErr: fencing.ErrRefused, wantPosts: 1,
		},
		"cuts the connection after the action": {
			odd: map[string]http.HandlerFunc{"POST " + resetPath: func(http.ResponseWriter, *http.Request) {
				panic(http.ErrAbortHandler)
			}},
			wantErr: fencing.ErrUnreachable, wantPosts: 1,
		},
		"has no reset action": {
			odd:     map[string]http.HandlerFunc{"GET " + systemPath: says(200, system("On", "", ""))},
			wantErr: fencing.ErrProtocol, wantPosts: 0,
		},
		"wants the action sent elsewhere": {
			odd:     map[string]http.HandlerFunc{"GET " + systemPath: says(200, system("On", "@elsewhere.example/reset", ""))},
			wantErr: fencing.ErrProtocol, wantPosts: 0,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bmc := newOddBMC(t, tc.odd)
			err := bmc.driver(t, nil).PowerOff(t.Context(), "n")
			if !errors.Is(err, tc.wantErr) {
				t.Errorf("power-off: got %v, want %v", err, tc.wantErr)
			}
			if posts := bmc.count("POST"); posts != tc.wantPosts {
				t.Errorf("POSTs that arrived: got %d, want %d", posts, tc.wantPosts)
			}
			if unsent := errors.Is(err, fencing.ErrNotSent); unsent != (tc.wantPosts == 0) {
				t.Errorf("error %v: ErrNotSent is %v, and %d POSTs arrived", err, unsent, tc.wantPosts)
			}
		})
	}
}

func TestReadOddBMC(t *testing.T) {
	const members = "GET /redfish/v1/Systems"
	cases := map[string]struct {
		odd     map[string]http.HandlerFunc
		want    fencing.PowerState
		wantErr error
	}{
		"another word for off": {odd: map[string]http.HandlerFunc{"GET " + systemPath: says(200, system("off", resetPath, ""))}, want: fencing.PowerUnknown},
		"no power state":       {odd: map[string]http.HandlerFunc{"GET " + systemPath: says(200, `{"Id": "1", "PowerState": null}`)}, want: fencing.PowerUnknown},
		"paused":               {odd: map[string]http.HandlerFunc{"GET " + systemPath: says(200, system("Paused", resetPath, ""))}, want: fencing.PowerTransitional},
		"link that does not look like the id": {
			odd: map[string]http.HandlerFunc{
				members:                     says(200, `{"Members": [{"@odata.id": "/redfish/v1/Systems/x"}, {"@odata.id": "/redfish/v1/Systems/y"}]}`),
				"GET /redfish/v1/Systems/x": says(200, `{"Id": "2", "PowerState": "Off"}`),
				"GET /redfish/v1/Systems/y": says(200, system("On", resetPath, "")),
			},
			want: fencing.PowerOn,
		},
		"link that looks like the id of another": {
			odd: map[string]http.HandlerFunc{"GET " + systemPath: says(200, `{"Id": "2", "PowerState": "Off"}`)}, wantErr: fencing.ErrNoSuchSystem,
		},
		"broken system before it": {
			odd: map[string]http.HandlerFunc{
				members:                     says(200, `{"Members": [{"@odata.id": "/redfish/v1/Systems/x"}, {"@odata.id": "/redfish/v1/Systems/y"}]}`),
				"GET /redfish/v1/Systems/x": says(500, `{}`),
				"GET /redfish/v1/Systems/y": says(200, system("On", resetPath, "")),
			},
			want: fencing.PowerOn,
		},
		"collection in pages": {
			odd: map[string]http.HandlerFunc{
				members:              says(200, `{"Members": [], "Members@odata.nextLink": "/redfish/v1/Systems?$skip=1"}`),
				members + "?$skip=1": says(200, `{"Members": [{"@odata.id": "`+systemPath+`"}]}`),
			},
			want: fencing.PowerOn,
		},
		"pages without end":         {odd: map[string]http.HandlerFunc{members: says(200, `{"Members": [], "Members@odata.nextLink": "/redfish/v1/Systems"}`)}, wantErr: fencing.ErrProtocol},
		"no systems":                {odd: map[string]http.HandlerFunc{members: says(200, `{"Members": []}`)}, wantErr: fencing.ErrNoSuchSystem},
		"no Redfish":                {odd: map[string]http.HandlerFunc{"GET /redfish/v1/": says(404, "not here")}, wantErr: fencing.ErrProtocol},
		"a web page":                {odd: map[string]http.HandlerFunc{"GET /redfish/v1/": says(200, "<html>")}, wantErr: fencing.ErrProtocol},
		"half an answer":            {odd: map[string]http.HandlerFunc{"GET " + systemPath: says(200, `{"Id": "1", "PowerState": "Off"`)}, wantErr: fencing.ErrProtocol},
		"an answer without end":     {odd: map[string]http.HandlerFunc{"GET " + systemPath: floods}, wantErr: fencing.ErrProtocol},
		"member elsewhere":          {odd: map[string]http.HandlerFunc{members: says(200, `{"Members": [{"@odata.id": "@elsewhere.example/1"}]}`)}, wantErr: fencing.ErrProtocol},
		"forbidden":                 {odd: map[string]http.HandlerFunc{"GET " + systemPath: says(403, `{}`)}, wantErr: fencing.ErrAuth},
		"overloaded":                {odd: map[string]http.HandlerFunc{"GET " + systemPath: says(503, `{}`)}, wantErr: fencing.ErrUnreachable},
		"redirect within the BMC":   {odd: map[string]http.HandlerFunc{members: sends(308, "/redfish/v1/Systems/"), members + "/": says(200, `{"Members": [{"@odata.id": "`+systemPath+`"}]}`)}, want: fencing.PowerOn},
		"redirects without end":     {odd: map[string]http.HandlerFunc{members: sends(308, "/redfish/v1/Systems")}, wantErr: fencing.ErrProtocol},
		"error that quotes a login": {odd: map[string]http.HandlerFunc{"GET " + systemPath: says(500, `{"error": {"code": "Base.1.8.GeneralError", "message": "`+password+`", "@Message.ExtendedInfo": [{"MessageId": "`+password+`", "Message": "`+password+`"}]}}`)}, wantErr: fencing.ErrProtocol},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bmc := newOddBMC(t, tc.odd)
			reading, err := bmc.driver(t, nil).Read(t.Context(), "n")
			if !errors.Is(err, tc.wantErr) || reading.Power != tc.want {
				t.Errorf("read: got %q and %v, want %q and %v", reading.Power, err, tc.want, tc.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("error %q contains the password", err)
			}
			if posts := bmc.count("POST"); posts != 0 {
				t.Errorf("POSTs that arrived: got %d, want 0", posts)
			}
		})
	}
}

// floods answers with more than any system can be.
func floods(w http.ResponseWriter, _ *http.Request) {
	chunk := []byte(`{"Id": "1", "PowerState": "Off", "Name": "` + strings.Repeat("x", 1<<16))
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// A BMC that sends its clients elsewhere must not get its login carried there.
func TestRedirectElsewhere(t *testing.T) {
	elsewhere := newOddBMC(t, nil)
	for name, useSession := range map[string]bool{"basic authentication": false, "session": true} {
		t.Run(name, func(t *testing.T) {
			bmc := newOddBMC(t, map[string]http.HandlerFunc{
				"GET /redfish/v1/Systems":                  sends(307, elsewhere.URL+"/redfish/v1/Systems"),
				"POST /redfish/v1/SessionService/Sessions": sends(307, elsewhere.URL+"/redfish/v1/SessionService/Sessions"),
				"GET /redfish/v1/": says(200, `{"Systems": {"@odata.id": "/redfish/v1/Systems"},
					"Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}`),
			})
			_, err := bmc.driver(t, func(h *fencing.Host) { h.UseSession = useSession }).Read(t.Context(), "n")
			if !errors.Is(err, fencing.ErrProtocol) {
				t.Errorf("read: got %v, want ErrProtocol", err)
			}
			if got := elsewhere.count(""); got != 0 {
				t.Errorf("requests that arrived elsewhere: got %d, want 0", got)
			}
		})
	}
}

// The authorities are read for every call: a CA that is rotated counts without a restart.
func TestRotatedCA(t *testing.T) {
	bmc := newOddBMC(t, nil)
	file := bmc.caFile(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	driver := bmc.driver(t, func(h *fencing.Host) { h.CAFile = file })
	for _, step := range []struct {
		pem  []byte
		want error
	}{{good, nil}, {[]byte("no certificate"), fencing.ErrTLS}, {good, nil}} {
		if err := os.WriteFile(file, step.pem, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := driver.Read(t.Context(), "n"); !errors.Is(err, step.want) {
			t.Errorf("read: got %v, want %v", err, step.want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := driver.Read(t.Context(), "n"); !errors.Is(err, fencing.ErrTLS) {
		t.Errorf("read without the file: got %v, want ErrTLS", err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := fencing.Host{NodeName: "n", Endpoint: "https://bmc.example", SystemID: "1", CredentialsSecret: "s"}
	with := func(change func(*fencing.Host)) []fencing.Host {
		host := good
		change(&host)
		return []fencing.Host{host}
	}
	cases := map[string]struct {
		hosts []fencing.Host
		want  string // part of the error; empty: accepted
	}{
		"good":            {[]fencing.Host{good}, ""},
		"good with port":  {with(func(h *fencing.Host) { h.Endpoint = "https://[fd00::1]:8443/" }), ""},
		"plain http":      {with(func(h *fencing.Host) { h.Endpoint = "http://bmc.example" }), "want https"},
		"login in it":     {with(func(h *fencing.Host) { h.Endpoint = "https://u:hidden@bmc.example" }), "contains a user"},
		"broken login":    {with(func(h *fencing.Host) { h.Endpoint = "https://u:hidden%zz@bmc.example" }), "no URL"},
		"path":            {with(func(h *fencing.Host) { h.Endpoint = "https://bmc.example/redfish/v1" }), "nothing more"},
		"no host":         {with(func(h *fencing.Host) { h.Endpoint = "https://:443" }), "nothing more"},
		"no system":       {with(func(h *fencing.Host) { h.SystemID = "" }), "systemID"},
		"no node":         {with(func(h *fencing.Host) { h.NodeName = "" }), "nodeName"},
		"no secret":       {with(func(h *fencing.Host) { h.CredentialsSecret = "" }), "credentialsSecret"},
		"CA is not there": {with(func(h *fencing.Host) { h.CAFile = filepath.Join(t.TempDir(), "none.pem") }), "caFile"},
		"one node twice":  {[]fencing.Host{good, good}, "has a BMC already"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := redfish.New(redfish.Options{Hosts: tc.hosts, Credentials: fixedLogin{}})
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error about %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("error %q contains the password", err)
			}
		})
	}
}
