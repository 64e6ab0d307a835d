// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/audit/policy"
	"sigs.k8s.io/yaml"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

func TestOptions(t *testing.T) {
	tests := map[string]struct {
		change func(*Options)
		// wantErr is a part of the error, empty for none.
		wantErr   string
		wantHosts int
	}{
		"defaults":           {change: func(*Options) {}, wantHosts: 6},
		"spares":             {change: func(o *Options) { o.Nodes, o.Spares = 2, 1 }, wantHosts: 3},
		"fewer than 3 nodes": {change: func(o *Options) { o.Nodes = 1 }, wantHosts: 1},
		"hosts of one's own": {change: func(o *Options) {
			o.Hosts = []simhost.Hardware{{Name: "a", SystemUUID: "u", SystemID: "1", InitialBootID: "b"}}
		}, wantHosts: 1},
		"no KubeVirt":           {change: func(o *Options) { o.Without = KubeVirt() }, wantHosts: 6},
		"no directory":          {change: func(o *Options) { o.Dir = "" }, wantErr: "Dir, BinDir and Root must be set"},
		"unknown process":       {change: func(o *Options) { o.Without = []string{"kube-scheduler"} }, wantErr: `no process "kube-scheduler"`},
		"KubeVirt without CRDs": {change: func(o *Options) { o.Without = []string{build.KubeVirtInstall} }, wantErr: "there can be no virt-api"},
		"more zones than nodes": {change: func(o *Options) { o.Nodes, o.Zones = 2, 3 }, wantErr: "zones: 3"},
		"two hosts with one UUID": {change: func(o *Options) {
			o.Hosts = []simhost.Hardware{
				{Name: "a", SystemUUID: "u", SystemID: "1", InitialBootID: "b"},
				{Name: "b", SystemUUID: "U", SystemID: "1", InitialBootID: "b"},
			}
		}, wantErr: "systemUUID is also that of"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: "d", BinDir: "b", Root: "r"}
			tc.change(&o)
			got, err := o.withDefaults()
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("error = %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Hosts) != tc.wantHosts {
				t.Errorf("%d hosts, want %d", len(got.Hosts), tc.wantHosts)
			}
			if !filepath.IsAbs(got.Dir) {
				t.Errorf("Dir = %q, want an absolute path: processes have other working directories", got.Dir)
			}
		})
	}
}

func TestMissingBinariesAreNamed(t *testing.T) {
	_, err := Up(t.Context(), Options{Dir: t.TempDir(), BinDir: t.TempDir(), Root: "."})
	if err == nil || !strings.Contains(err.Error(), "devcluster build") || !strings.Contains(err.Error(), build.VirtController) {
		t.Errorf("error = %v, want one that names the binaries and how to build them", err)
	}
}

func TestAuditPolicyIsValid(t *testing.T) {
	if _, err := policy.LoadPolicyFromBytes(auditPolicy); err != nil {
		t.Error(err)
	}
}

func TestWatcherConfigMapsEveryNodeToItsOwnBMC(t *testing.T) {
	o, err := Options{Dir: t.TempDir(), BinDir: "b", Root: "r", Nodes: 2, Spares: 1}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{o: o, paths: paths{o.Dir}, ports: proc.NewPorts(), port: map[string]int{}}
	t.Cleanup(c.ports.Close)
	if err := c.reservePorts(); err != nil {
		t.Fatal(err)
	}
	if c.pki, err = newPKI(c.paths.pki()); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteWatcherConfig(c.DefaultWatcherConfig()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(c.WatcherConfig())
	if err != nil {
		t.Fatal(err)
	}
	var config failurev1alpha1.FailureWatcherConfiguration
	if err := yaml.UnmarshalStrict(raw, &config); err != nil {
		t.Fatal(err)
	}
	var got []string
	endpoints := map[string]bool{}
	for _, host := range config.Fencing.Redfish {
		got = append(got, host.NodeName+" "+host.CredentialsSecret)
		endpoints[host.Endpoint] = true
	}
	if diff := cmp.Diff([]string{"node-1 bmc-node-1", "node-2 bmc-node-2"}, got); diff != "" {
		t.Errorf("nodes and Secrets (-want +got):\n%s", diff)
	}
	if len(endpoints) != 2 {
		t.Errorf("endpoints %v, want one of its own for each node", endpoints)
	}
}
