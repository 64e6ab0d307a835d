// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmutilization"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readmeYAML returns the one YAML block of the README.
func readmeYAML(t *testing.T) string {
	t.Helper()
	blocks := strings.Split(readme(t), "```yaml\n")
	if len(blocks) != 2 {
		t.Fatalf("README.md has %d YAML blocks, want 1", len(blocks)-1)
	}
	block, _, _ := strings.Cut(blocks[1], "```\n")
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
	for _, c := range loaded.Profiles[0].PluginConfig {
		args, ok := c.Args.(*config.VMUtilizationArgs)
		if !ok {
			continue
		}
		if args.MaxCPUOvercommitPercent == nil || *args.MaxCPUOvercommitPercent != 600 || args.CPUOvercommitPercent != 300 {
			t.Errorf("the arguments were loaded as %+v", args)
		}
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
	list := f.ListPlugins()
	for point, set := range map[string]schedulerconfig.PluginSet{
		"preFilter": list.PreFilter, "filter": list.Filter, "preScore": list.PreScore, "score": list.Score,
	} {
		if !slices.ContainsFunc(set.Enabled, func(p schedulerconfig.Plugin) bool { return p.Name == vmutilization.Name }) {
			t.Errorf("the plugin is not enabled at %s", point)
		}
	}
}

// A misspelt field in it would not have gone unnoticed.
func TestReadmeConfigurationIsReadStrictly(t *testing.T) {
	misspelt := strings.Replace(readmeYAML(t), "maxCPUOvercommitPercent:", "maxCpuOvercommitPercent:", 1)
	if _, err := load(t, misspelt); err == nil || !strings.Contains(err.Error(), `unknown field "maxCpuOvercommitPercent"`) {
		t.Errorf("error %v, want one that names the field", err)
	}
}

// The table of the README has the fields that there are, and no others.
func TestReadmeNamesAllArguments(t *testing.T) {
	var want []string
	fields := reflect.TypeFor[v1.VMUtilizationArgs]()
	for i := range fields.NumField() {
		switch name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ","); name {
		case "":
		case "resources":
			want = append(want, "resources[].name", "resources[].weight")
		default:
			want = append(want, name)
		}
	}
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(readme(t), -1) {
		got = append(got, row[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments in the table (-want +got):\n%s", diff)
	}
}

// The annotation in the README is one that is understood.
func TestReadmeAnnotation(t *testing.T) {
	example := regexp.MustCompile(regexp.QuoteMeta(config.OvercommitAnnotation) + `=(\S+)`).FindStringSubmatch(readme(t))
	if example == nil {
		t.Fatal("README.md has no example of the annotation")
	}
	got, err := rank.ParseCaps(example[1])
	if want := (rank.Caps{CPU: 800, Memory: 120}); err != nil || got != want {
		t.Errorf("%q means %+v, %v, want %+v", example[1], got, err, want)
	}
}
