// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package readmetest holds the READMEs of plugins to what they show: that the
// configuration in them is one that a scheduler runs with. It is for tests in
// the plugins' own folders.
package readmetest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
	"k8s.io/kubernetes/pkg/scheduler/profile"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
)

// Text returns the README of the folder in which the test runs.
func Text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// YAML returns the one YAML block of the README.
func YAML(t *testing.T) string {
	t.Helper()
	blocks := strings.Split(Text(t), "```yaml\n")
	if len(blocks) != 2 {
		t.Fatalf("README.md has %d YAML blocks, want 1", len(blocks)-1)
	}
	block, _, ok := strings.Cut(blocks[1], "```\n")
	if !ok {
		t.Fatal("the YAML block of README.md has no end")
	}
	return block
}

// Load reads a configuration as the scheduler's command does.
func Load(t *testing.T, content string) (*schedulerconfig.KubeSchedulerConfiguration, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	logger, _ := ktesting.NewTestContext(t)
	return options.LoadConfigFromFile(logger, file)
}

// Args returns the arguments that the first profile of a configuration has for a plugin.
func Args[T runtime.Object](t *testing.T, loaded *schedulerconfig.KubeSchedulerConfiguration, plugin string) T {
	t.Helper()
	var found runtime.Object
	for _, c := range loaded.Profiles[0].PluginConfig {
		if c.Name == plugin {
			found = c.Args
		}
	}
	args, ok := found.(T)
	if !ok {
		t.Fatalf("the arguments of %s were loaded as %T", plugin, found)
	}
	return args
}

// Runs starts a scheduler with the README's configuration, which it returns: profile virt-scheduler must have the plugin
// at PreFilter, Filter, PreScore and Score, there with the given weight; one that only filters has weight 0, and must not score.
func Runs(t *testing.T, plugin string, weight int32) *schedulerconfig.KubeSchedulerConfiguration {
	t.Helper()
	loaded, err := Load(t, YAML(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := validation.ValidateKubeSchedulerConfiguration(loaded); err != nil {
		t.Fatal(err)
	}
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
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
		for _, p := range set.Enabled {
			found[p.Name] = p.Weight
		}
		want := weight > 0 || point == "preFilter" || point == "filter"
		if _, ok := found[plugin]; ok != want {
			t.Errorf("the plugin is enabled at %s: %t, want %t", point, ok, want)
		}
		if got := found[plugin]; point == "score" && got != weight {
			t.Errorf("the plugin has weight %d, want the README's: %d", got, weight)
		}
	}
	return loaded
}

// ReadStrictly checks that a misspelt field in the README's configuration would not have gone unnoticed.
func ReadStrictly(t *testing.T, field, misspelt string) {
	t.Helper()
	_, err := Load(t, strings.Replace(YAML(t), field+":", misspelt+":", 1))
	if err == nil || !strings.Contains(err.Error(), `unknown field "`+misspelt+`"`) {
		t.Errorf("error %v, want one that names the field %s", err, misspelt)
	}
}
