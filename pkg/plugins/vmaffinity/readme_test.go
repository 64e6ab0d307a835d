// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/readmetest"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmaffinity"
)

// The configuration in the README is one that a scheduler starts with, and says what the text around it says: the plugin is in
// InterPodAffinity's place, and concedes before anything is preempted.
func TestReadmeConfigurationRuns(t *testing.T) {
	loaded := readmetest.Runs(t, vmaffinity.Name, 2)
	args := readmetest.Args[*config.VMAffinityArgs](t, loaded, vmaffinity.Name)
	own := []string{"node.example.com/retired"}
	if args.HardPodAffinityWeight != 5 || args.IgnorePreferredTermsOfExistingPods ||
		args.RequiredAffinityDuringMigration != config.AffinityPreferredOnEvacuation ||
		!cmp.Equal(args.EvacuationTaints, append(v1.DefaultEvacuationTaints(), own...)) {
		t.Errorf("the arguments were loaded as %+v", args)
	}
	plugins := loaded.Profiles[0].Plugins
	if slices.ContainsFunc(plugins.MultiPoint.Enabled, func(p schedulerconfig.Plugin) bool { return p.Name == names.InterPodAffinity }) {
		t.Error("InterPodAffinity is enabled, too")
	}
	if first := plugins.PostFilter.Enabled; len(first) == 0 || first[0].Name != vmaffinity.Name {
		t.Errorf("PostFilter has %v, want the plugin first", first)
	}
}

func TestReadmeConfigurationIsReadStrictly(t *testing.T) {
	readmetest.ReadStrictly(t, "hardPodAffinityWeight", "hardAffinityWeight")
}

// What users may read in events is in the README word for word.
func TestReadmeNamesTheReasons(t *testing.T) {
	readme := readmetest.Text(t)
	for file, said := range map[string]struct {
		as *regexp.Regexp
		n  int
	}{
		"filtering.go":  {regexp.MustCompile(`(?m)^\treason\w+ += "(.+)"$`), 3},
		"concession.go": {regexp.MustCompile(`fwk\.NewStatus\(fwk\.UnschedulableAndUnresolvable, "(.+)"\)`), 1},
		"terms.go":      {regexp.MustCompile(`(?m)^var errTerms = errors\.New\("(.+)"\)$`), 1},
	} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		reasons := said.as.FindAllStringSubmatch(string(source), -1)
		if len(reasons) != said.n {
			t.Errorf("%s has %d reasons, want %d", file, len(reasons), said.n)
		}
		for _, reason := range reasons {
			if !strings.Contains(readme, "`"+reason[1]) {
				t.Errorf("README.md does not name %q", reason[1])
			}
		}
	}
}
