// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plugins_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/scheme"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/readmetest"
)

// folder is where a plugin of ours lives and has its README.
func folder(plugin string) string { return strings.ToLower(plugin) }

func isOurs(plugin string) bool {
	_, err := os.Stat(folder(plugin))
	return err == nil
}

// The table of README.md lists what the registry has, says which plugins the shipped profiles enable, and leads to the
// READMEs of ours.
func TestReadmeListsTheRegistry(t *testing.T) {
	type row struct{ Link, From, On string }
	enabled, want := enabledEverywhere(t), map[string]row{}
	for name := range plugins.NewRegistry() {
		r := row{From: "scheduler-plugins", On: "off"}
		if isOurs(name) {
			r.Link, r.From = filepath.Join(folder(name), "README.md"), "here"
			if _, err := os.Stat(r.Link); err != nil {
				t.Errorf("plugin %s has no README: %v", name, err)
			}
		}
		if enabled[name] {
			r.On = "on"
		}
		want[name] = r
	}
	text, got := readmetest.Text(t), map[string]row{}
	_, table, ok := strings.Cut(text, "|---|---|---|---|\n")
	if !ok {
		t.Fatal("README.md has no table of four columns")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	link := regexp.MustCompile(`^\[(\w+)\]\((.+)\)$`)
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		on, _, _ := strings.Cut(cells[2], ",")
		names, _, _ := strings.Cut(strings.TrimPrefix(cells[0], "| "), " (") // of a family of plugins
		if l := link.FindStringSubmatch(strings.TrimPrefix(cells[0], "| ")); l != nil {
			got[l[1]] = row{l[2], cells[1], on}
			continue
		}
		for name := range strings.SplitSeq(names, ", ") {
			got[name] = row{"", cells[1], on}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plugins in README.md (-registry +README):\n%s", diff)
	}
}

// enabledEverywhere returns the plugins that all shipped profiles enable.
func enabledEverywhere(t *testing.T) map[string]bool {
	t.Helper()
	shipped, err := os.ReadFile("../../manifests/profiles/kubescheduler-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := readmetest.Load(t, string(shipped))
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, profile := range loaded.Profiles {
		inProfile := map[string]bool{}
		p := profile.Plugins
		for _, set := range []schedulerconfig.PluginSet{p.MultiPoint, p.PreFilter, p.Filter, p.PostFilter, p.PreScore, p.Score} {
			for _, plugin := range set.Enabled {
				inProfile[plugin.Name] = true
			}
		}
		for name := range inProfile {
			times[name]++
		}
	}
	maps.DeleteFunc(times, func(_ string, n int) bool { return n < len(loaded.Profiles) })
	all := map[string]bool{}
	for name := range times {
		all[name] = true
	}
	return all
}

// The READMEs of our plugins have a table of their arguments.
func TestReadmesNameAllArguments(t *testing.T) {
	users := runtime.NewScheme()
	scheme.AddToScheme(users)
	for _, name := range slices.Sorted(maps.Keys(plugins.NewRegistry())) {
		if !isOurs(name) {
			continue
		}
		args, err := users.New(v1.SchemeGroupVersion.WithKind(name + "Args"))
		if runtime.IsNotRegisteredError(err) && slices.Contains(withoutArguments, name) {
			continue
		}
		if err != nil {
			t.Errorf("plugin %s: %v", name, err)
			continue
		}
		t.Run(name, func(t *testing.T) {
			readmetest.NamesAllArguments(t, filepath.Join(folder(name), "README.md"), reflect.TypeOf(args).Elem())
		})
	}
}
