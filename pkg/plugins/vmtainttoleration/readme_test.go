// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmtainttoleration"
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
	if args.ShortestToleration == nil || *args.ShortestToleration != 24*time.Hour || len(args.EvacuationTaints) != 7 {
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
		if _, ok := found[vmtainttoleration.Name]; !ok {
			t.Errorf("the plugin is not enabled at %s", point)
		}
		if weight := found[vmtainttoleration.Name]; point == "score" && weight != 5 {
			t.Errorf("the plugin has weight %d, want the README's", weight)
		}
	}
}

// A misspelt field in it would not have gone unnoticed.
func TestReadmeConfigurationIsReadStrictly(t *testing.T) {
	misspelt := strings.Replace(readmeYAML(t), "ignoredTaints:", "ignoredTaint:", 1)
	if _, err := load(t, misspelt); err == nil || !strings.Contains(err.Error(), `unknown field "ignoredTaint"`) {
		t.Errorf("error %v, want one that names the field", err)
	}
}

// The tables of the README name what the defaults are, and nothing else.
func TestReadmeNamesTheDefaults(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := load(t, "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles:\n"+
		"  - pluginConfig: [{name: VMTaintToleration, args: {}}]\n")
	if err != nil {
		t.Fatal(err)
	}
	args := argsOf(t, loaded)
	for _, key := range args.EvacuationTaints {
		if !strings.Contains(string(readme), "\n| `"+key+"` |") {
			t.Errorf("evacuation taint %s is not in the table", key)
		}
	}
	for _, condition := range args.AdverseConditions {
		if !strings.Contains(string(readme), "`"+string(condition.Type)+"`") {
			t.Errorf("condition %s is not in the table", condition.Type)
		}
	}
}

func argsOf(t *testing.T, loaded *schedulerconfig.KubeSchedulerConfiguration) *config.VMTaintTolerationArgs {
	t.Helper()
	var found runtime.Object
	for _, c := range loaded.Profiles[0].PluginConfig {
		if c.Name == vmtainttoleration.Name {
			found = c.Args
		}
	}
	args, ok := found.(*config.VMTaintTolerationArgs)
	if !ok {
		t.Fatalf("the plugin's arguments were loaded as %T", found)
	}
	return args
}
