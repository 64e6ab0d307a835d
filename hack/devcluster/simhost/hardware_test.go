// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhost_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

func hardware(name, uuid string, port int) simhost.Hardware {
	return simhost.Hardware{Name: name, SystemUUID: uuid, SystemID: "1", InitialBootID: "b", BMCPort: port}
}

func TestFileValidate(t *testing.T) {
	cases := map[string]struct {
		hosts []simhost.Hardware
		want  string // part of the error; empty: valid
	}{
		"two machines":             {[]simhost.Hardware{hardware("a", "u1", 1001), hardware("b", "u2", 1002)}, ""},
		"ports left to the kernel": {[]simhost.Hardware{hardware("a", "u1", 0), hardware("b", "u2", 0)}, ""},
		"none":                     {nil, "empty"},
		"one name twice":           {[]simhost.Hardware{hardware("a", "u1", 1), hardware("a", "u2", 2)}, "used twice"},
		"one UUID twice":           {[]simhost.Hardware{hardware("a", "u1", 1), hardware("b", "U1", 2)}, "also that of"},
		"one port twice":           {[]simhost.Hardware{hardware("a", "u1", 1), hardware("b", "u2", 1)}, "also that of"},
		"no UUID":                  {[]simhost.Hardware{hardware("a", "", 1)}, "must be set"},
		"no port at all":           {[]simhost.Hardware{hardware("a", "u1", 70000)}, "is no port"},
		"no name":                  {[]simhost.Hardware{hardware("", "u1", 1)}, "must be a node name"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := simhost.File{Hosts: tc.hosts}.Validate()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error about %q", err, tc.want)
			}
		})
	}
}

func TestFilesRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := simhost.File{Hosts: []simhost.Hardware{hardware("a", "u1", 1001), hardware("b", "u2", 1002)}}
	path := filepath.Join(dir, "hosts.json")
	if err := simhost.WriteFile(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := simhost.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hosts file (-want +got):\n%s", diff)
	}

	logins := map[string]simhost.Credential{"a": {Username: "u", Password: "p"}}
	path = filepath.Join(dir, "credentials.json")
	if err := simhost.WriteCredentials(path, logins); err != nil {
		t.Fatal(err)
	}
	read, err := simhost.ReadCredentials(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(logins, read); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode of the credentials: got %o, want 600", mode)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left in the directory: %v (error %v), want the two files", entries, err)
	}
}

func TestReadFileIsStrict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.json")
	if err := os.WriteFile(path, []byte(`{"hosts": [{"name": "a", "systemUuidd": "x"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := simhost.ReadFile(path); err == nil || !strings.Contains(err.Error(), "systemUuidd") {
		t.Errorf("got %v, want an error that names the unknown field", err)
	}
}
