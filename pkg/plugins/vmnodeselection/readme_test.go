// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
	"k8s.io/kubernetes/pkg/scheduler/profile"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmnodeselection"
)

// readmeYAML returns the one YAML block of the README.
func readmeYAML(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```yaml\n")
	if len(blocks) != 2 {
		t.Fatalf("README.md has %d YAML blocks, want 1", len(blocks)-1)
	}
	block, _, ok := strings.Cut(blocks[1], "```\n")
	if !ok {
		t.Fatal("the YAML block of README.md has no end")
	}
	return block
}

func load(t *testing.T, content string) (*schedulerconfig.KubeSchedulerConfiguration, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	logger, _ := ktesting.NewTestContext(t)
	return options.LoadConfigFromFile(logger, file)
}

// The configuration in the README is one that a scheduler starts with, and says what the text around it says.
func TestReadmeConfigurationRuns(t *testing.T) {
	loaded, err := load(t, readmeYAML(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := validation.ValidateKubeSchedulerConfiguration(loaded); err != nil {
		t.Fatal(err)
	}
	args := argsOf(t, loaded)
	if args.HeartbeatTolerance != 150*time.Second || args.MigratabilitySaturation != 5 || args.RequirePublished {
		t.Errorf("the arguments were loaded as %+v", args)
	}
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := fake.NewClientset()
	sched, err := scheduler.New(ctx, client, informers.NewSharedInformerFactory(client, 0), nil,
		profile.NewRecorderFactory(events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})),
		scheduler.WithFrameworkOutOfTreeRegistry(plugins.NewRegistry()), scheduler.WithProfiles(loaded.Profiles...))
	if err != nil {
		t.Fatal(err)
	}
	f := sched.Profiles["virt-scheduler"]
	if f == nil {
		t.Fatal("the scheduler has no profile of the name in the README")
	}
	enabled := f.ListPlugins()
	for point, set := range map[string]schedulerconfig.PluginSet{
		"preFilter": enabled.PreFilter, "filter": enabled.Filter, "preScore": enabled.PreScore, "score": enabled.Score,
	} {
		found := map[string]int32{}
		for _, plugin := range set.Enabled {
			found[plugin.Name] = plugin.Weight
		}
		if _, ok := found[vmnodeselection.Name]; !ok {
			t.Errorf("the plugin is not enabled at %s", point)
		}
		if weight := found[vmnodeselection.Name]; point == "score" && weight != 4 {
			t.Errorf("the plugin has weight %d, want the README's", weight)
		}
	}
}

// A misspelt field in it would not have gone unnoticed.
func TestReadmeConfigurationIsReadStrictly(t *testing.T) {
	misspelt := strings.Replace(readmeYAML(t), "heartbeatTolerance:", "heartBeatTolerance:", 1)
	if _, err := load(t, misspelt); err == nil || !strings.Contains(err.Error(), `unknown field "heartBeatTolerance"`) {
		t.Errorf("error %v, want one that names the field", err)
	}
}

func argsOf(t *testing.T, loaded *schedulerconfig.KubeSchedulerConfiguration) *config.VMNodeSelectionArgs {
	t.Helper()
	for _, c := range loaded.Profiles[0].PluginConfig {
		if args, ok := c.Args.(*config.VMNodeSelectionArgs); ok && c.Name == vmnodeselection.Name {
			return args
		}
	}
	t.Fatal("no arguments of the plugin were loaded")
	return nil
}
