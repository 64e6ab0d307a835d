// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	schedulerconfig "k8s.io/kubernetes/cmd/kube-scheduler/app/config"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
)

const (
	shippedConfig = "../../manifests/profiles/kubescheduler-config.yaml"

	// Nothing listens there: what is tested happens before the first answer of an API server is needed.
	kubeconfig = `apiVersion: v1
kind: Config
current-context: none
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {token: none}}]
`
)

// start takes the path of the command up to where the scheduler would run: flags, configuration file, plugins.
func start(t *testing.T, config string) (*schedulerconfig.CompletedConfig, *scheduler.Scheduler, error) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"kubeconfig": kubeconfig, "config.yaml": config}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opts := options.NewOptions()
	opts.ConfigFile = filepath.Join(dir, "config.yaml")
	opts.SecureServing.BindPort = 0
	opts.Authentication.TolerateInClusterLookupFailure = true
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return app.Setup(ctx, opts, withPlugins(plugins.NewRegistry())...)
}

// shipped returns the configuration that the project ships, with a kubeconfig as whoever deploys it may set it.
func shipped(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(shippedConfig)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return string(data) + "\nclientConnection:\n  kubeconfig: " + path + "\n"
}

func TestStartWithShippedConfig(t *testing.T) {
	completed, sched, err := start(t, shipped(t))
	if err != nil {
		t.Fatalf("the shipped configuration does not start: %v", err)
	}
	election := completed.ComponentConfig.LeaderElection
	if got, want := election.ResourceNamespace+"/"+election.ResourceName, "virt-scheduler-system/virt-scheduler"; got != want {
		t.Errorf("lease %s, want %s", got, want)
	}
	type enabled struct {
		OurFilters      []string
		PreScore, Score []string
		Weight          int // of VMUtilization
		QueueSort       []string
	}
	filters := []string{"VMAffinity", "VMNodeSelection", "VMTaintToleration", "VMTopologySpread", "VMUtilization"}
	want := map[string]enabled{
		"virt-scheduler": {
			OurFilters: filters,
			PreScore: []string{
				"NodeAffinity", "NodeResourcesBalancedAllocation", "NodeResourcesFit", "PodTopologySpread",
				"TaintToleration", "VMAffinity", "VMNodeSelection", "VMTaintToleration", "VMUtilization", "VolumeBinding",
			},
			Score: []string{
				"DynamicResources", "ImageLocality", "NodeAffinity", "NodeResourcesBalancedAllocation", "NodeResourcesFit",
				"PodTopologySpread", "TaintToleration", "VMAffinity", "VMNodeSelection", "VMTaintToleration", "VMUtilization", "VolumeBinding",
			},
			Weight: 100, QueueSort: []string{"PrioritySort"},
		},
		"virt-scheduler-high-node-utilization": {
			OurFilters: filters,
			PreScore: []string{
				"NodeAffinity", "NodeResourcesFit", "PodTopologySpread", "TaintToleration", "VMAffinity", "VMNodeSelection", "VMTaintToleration", "VMUtilization",
				"VolumeBinding",
			},
			Score: []string{
				"DynamicResources", "NodeAffinity", "NodeResourcesFit", "PodTopologySpread", "TaintToleration", "VMAffinity",
				"VMNodeSelection", "VMTaintToleration", "VMUtilization", "VolumeBinding",
			},
			Weight: 20, QueueSort: []string{"PrioritySort"},
		},
		"virt-scheduler-no-scoring": {OurFilters: filters, QueueSort: []string{"PrioritySort"}},
	}
	got := map[string]enabled{}
	for name, profile := range sched.Profiles {
		var e enabled
		list := profile.ListPlugins()
		for _, plugin := range list.Filter.Enabled {
			if strings.HasPrefix(plugin.Name, "VM") {
				e.OurFilters = append(e.OurFilters, plugin.Name)
			}
			if plugin.Name == "InterPodAffinity" || plugin.Name == "PodTopologySpread" {
				t.Errorf("profile %s filters by %s, in whose place ours is", name, plugin.Name)
			}
		}
		if first := list.PostFilter.Enabled; len(first) == 0 || first[0].Name != "VMAffinity" {
			t.Errorf("profile %s: PostFilter %v, want VMAffinity first", name, first)
		}
		for _, plugin := range list.PreScore.Enabled {
			e.PreScore = append(e.PreScore, plugin.Name)
		}
		for _, plugin := range list.Score.Enabled {
			e.Score = append(e.Score, plugin.Name)
			if plugin.Name == "VMUtilization" {
				e.Weight = int(plugin.Weight)
			}
		}
		for _, plugin := range list.QueueSort.Enabled {
			e.QueueSort = append(e.QueueSort, plugin.Name)
		}
		slices.Sort(e.OurFilters)
		slices.Sort(e.PreScore)
		slices.Sort(e.Score)
		got[name] = e
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the profiles enable (-want +got):\n%s", diff)
	}
}

func TestStartRefuses(t *testing.T) {
	tests := map[string]struct {
		old, new string
		want     string
	}{
		"unknown field of our arguments": {
			old: "strategy: Least", new: "stragegy: Least",
			want: `strict decoding error: decoding .profiles[0].pluginConfig[0]: strict decoding error: decoding args for plugin VMUtilization: ` +
				`strict decoding error: unknown field "stragegy"`,
		},
		"unknown field of a resource": {
			old: "- name: vcpu\n              weight: 4", new: "- name: vcpu\n              wait: 1",
			want: `strict decoding error: decoding .profiles[0].pluginConfig[0]: strict decoding error: decoding args for plugin VMUtilization: ` +
				`strict decoding error: unknown field "resources[0].wait"`,
		},
		"field given twice": {
			old: "strategy: Least", new: "strategy: Least\n          strategy: Most",
			want: `key "strategy" already set in map`,
		},
		"another plugin's arguments": {
			old: "kind: VMUtilizationArgs", new: "kind: NodeAffinityArgs",
			want: `decoding .profiles[0].pluginConfig[0]: args for plugin VMUtilization were not of type ` +
				`VMUtilizationArgs.kubescheduler.config.k8s.io, got NodeAffinityArgs.kubescheduler.config.k8s.io`,
		},
		"a kind that is not": {
			old: "kind: VMUtilizationArgs", new: "kind: VMUtilisationArgs",
			want: `no kind "VMUtilisationArgs" is registered for version "kubescheduler.config.k8s.io/v1"`,
		},
		"wrong type": {
			old: "cpuOvercommitPercent: 400", new: "cpuOvercommitPercent: plenty",
			want: `decoding args for plugin VMUtilization: json: cannot unmarshal string into Go struct field ` +
				`VMUtilizationArgs.cpuOvercommitPercent of type int32`,
		},
		"bad values, all at once": {
			old: "strategy: Least\n          resources:\n            - name: vcpu\n              weight: 4",
			new: "strategy: Lest\n          maxCPUOvercommitPercent: 0\n          resources:\n            - name: vcpus\n              weight: 101",
			want: `initializing plugin "VMUtilization": [args.strategy: Unsupported value: "Lest": supported values: "Least", "Most", ` +
				`args.resources[0].name: Unsupported value: "vcpus": supported values: "cpuRequests", "guestMemory", "memoryRequests", "vcpu", ` +
				`args.resources[0].weight: Invalid value: 101: must be in the range [1, 100], ` +
				`args.maxCPUOvercommitPercent: Invalid value: 0: must be in the range [10, 10000]]`,
		},
		"unknown field of the scheduler": {
			old: "leaderElect: true", new: "leaderElects: true",
			want: `strict decoding error: unknown field "leaderElection.leaderElects"`,
		},
		"a plugin that is not": {
			old: "- name: VMUtilization\n            weight: 100", new: "- name: VMUtilisation\n            weight: 100",
			want: `VMUtilisation`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			config := shipped(t)
			if !strings.Contains(config, tc.old) {
				t.Fatalf("the shipped configuration does not contain %q any more", tc.old)
			}
			_, _, err := start(t, strings.Replace(config, tc.old, tc.new, 1))
			if err == nil {
				t.Fatalf("started, want an error with %q", tc.want)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestStartRefusesUnreadableConfig(t *testing.T) {
	for name, config := range map[string]string{"empty": "", "no YAML": "}{", "another kind": kubeconfig} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := start(t, config); err == nil {
				t.Error("started, want an error")
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	help := newCommand().Long
	for name := range plugins.NewRegistry() {
		if !strings.Contains(help, name) {
			t.Errorf("the help does not name plugin %s", name)
		}
	}
}

func TestDescribeVersion(t *testing.T) {
	got := describeVersion("v1.35.4+virt-scheduler.v0.1.0")
	if want := "virt-scheduler v0.1.0, Kubernetes v1.35.4, "; !strings.HasPrefix(got, want) {
		t.Errorf("version %q, want it to begin with %q", got, want)
	}
}
