// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package scheme

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	upstreamconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	upstreamscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
)

// load reads a configuration whose one profile has args for a plugin, by kube-scheduler's own loader.
func load(t *testing.T, plugin, args string) (runtime.Object, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	content := fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
  - pluginConfig:
      - name: %s
        args: %s
`, plugin, args)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	logger, _ := ktesting.NewTestContext(t)
	loaded, err := options.LoadConfigFromFile(logger, file)
	if err != nil {
		return nil, err
	}
	return argsOf(t, loaded, plugin), nil
}

func argsOf(t *testing.T, loaded *upstreamconfig.KubeSchedulerConfiguration, plugin string) runtime.Object {
	t.Helper()
	for _, c := range loaded.Profiles[0].PluginConfig {
		if c.Name == plugin {
			return c.Args
		}
	}
	t.Fatalf("no arguments for plugin %s in the loaded configuration", plugin)
	return nil
}

var defaults = config.VMUtilizationArgs{
	Strategy: config.StrategyLeast,
	Resources: []config.VMResourceWeight{
		{Name: config.VMResourceVCPU, Weight: 1}, {Name: config.VMResourceGuestMemory, Weight: 1},
	},
	CPUOvercommitPercent: 400, MemoryOvercommitPercent: 100,
}

func percent(p int32) *int32 { return &p }

func TestLoadVMUtilizationArgs(t *testing.T) {
	changed := defaults
	changed.Strategy = config.StrategyMost
	changed.Resources = []config.VMResourceWeight{{Name: config.VMResourceGuestMemory, Weight: 1}}
	changed.MaxCPUOvercommitPercent = percent(300)
	tests := map[string]struct {
		args string
		want config.VMUtilizationArgs
	}{
		"defaults": {args: `{}`, want: defaults},
		"with apiVersion and kind": {
			args: `{apiVersion: kubescheduler.config.k8s.io/v1, kind: VMUtilizationArgs}`, want: defaults,
		},
		"some set, the others by default": {
			args: `{strategy: Most, maxCPUOvercommitPercent: 300, resources: [{name: guestMemory}]}`, want: changed,
		},
		"zero is not absent": {
			args: `{cpuOvercommitPercent: 0, maxMemoryOvercommitPercent: 0}`,
			want: func() config.VMUtilizationArgs {
				a := defaults
				a.CPUOvercommitPercent, a.MaxMemoryOvercommitPercent = 0, percent(0)
				return a
			}(),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, "VMUtilization", tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreTypes(metav1.TypeMeta{})); diff != "" {
				t.Errorf("loaded arguments (-want +got):\n%s", diff)
			}
		})
	}
}

// Every plugin of the binary that takes arguments has them decoded strictly: ours and those from scheduler-plugins.
func TestLoadIsStrict(t *testing.T) {
	for plugin, good := range map[string]string{
		"VMUtilization":              `{strategy: Most}`,
		"NodeResourceTopologyMatch":  `{scoringStrategy: {type: BalancedAllocation}}`,
		"TargetLoadPacking":          `{targetUtilization: 50}`,
		"LoadVariationRiskBalancing": `{safeVarianceMargin: 2}`,
		"LowRiskOverCommitment":      `{smoothingWindowSize: 7}`,
		// Upstream's struct tags of PeaksArgs are malformed, so that the names of its fields are those of the Go struct.
		"Peaks":                `{WatcherAddress: "http://127.0.0.1"}`,
		"PreemptionToleration": `{minCandidateNodesPercentage: 20}`,
	} {
		t.Run(plugin, func(t *testing.T) {
			got, err := load(t, plugin, good)
			if err != nil {
				t.Fatalf("good arguments: %v", err)
			}
			if _, unknown := got.(*runtime.Unknown); unknown {
				t.Fatalf("the arguments were not decoded: their kind is not registered")
			}
			_, err = load(t, plugin, `{noSuchField: 1}`)
			if err == nil {
				t.Fatal("an unknown field was accepted")
			}
			if want := fmt.Sprintf(`decoding args for plugin %s: strict decoding error: unknown field "noSuchField"`, plugin); !strings.Contains(err.Error(), want) {
				t.Errorf("error %q, want it to contain %q", err, want)
			}
		})
	}
}

// What --write-config-to writes can be read again and means the same.
func TestRoundTrip(t *testing.T) {
	want := defaults.DeepCopy()
	want.Strategy, want.MaxCPUOvercommitPercent, want.MaxMemoryOvercommitPercent = config.StrategyMost, percent(400), percent(150)
	want.Resources = append(want.Resources, config.VMResourceWeight{Name: "x", Weight: 3})
	checkRoundTrip(t, want)
}

// checkRoundTrip converts arguments to what users write, sets defaults as the loader does, and converts them back.
func checkRoundTrip(t *testing.T, want runtime.Object, compare ...cmp.Option) {
	t.Helper()
	compare = append(compare, cmpopts.IgnoreTypes(metav1.TypeMeta{}))
	for name, scheme := range map[string]*runtime.Scheme{"upstream's": upstreamscheme.Scheme, "one of its own": own()} {
		versioned, err := scheme.ConvertToVersion(want.DeepCopyObject(), v1.SchemeGroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		copied := versioned.DeepCopyObject()
		scheme.Default(copied)
		back, err := scheme.ConvertToVersion(copied, config.SchemeGroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, back, compare...); diff != "" {
			t.Errorf("scheme %s: after the round trip (-want +got):\n%s", name, diff)
		}
	}
}

// refusal is arguments that the loader refuses, and what its error contains.
type refusal struct{ args, want string }

func checkRefused(t *testing.T, plugin string, tests map[string]refusal) {
	t.Helper()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, plugin, tc.args)
			if err == nil {
				t.Fatalf("loaded as %+v, want an error", got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want it to contain %q", err, tc.want)
			}
		})
	}
}

func own() *runtime.Scheme {
	scheme := runtime.NewScheme()
	AddToScheme(scheme)
	return scheme
}

func TestDeepCopySharesNothing(t *testing.T) {
	fresh := func() *v1.VMUtilizationArgs {
		args := &v1.VMUtilizationArgs{
			Resources: []v1.VMResourceWeight{{Name: "vcpu"}}, MaxCPUOvercommitPercent: percent(1), MaxMemoryOvercommitPercent: percent(2),
		}
		v1.SetDefaultsVMUtilizationArgs(args)
		return args
	}
	original := fresh()
	copied := original.DeepCopy()
	*copied.Strategy, *copied.CPUOvercommitPercent, *copied.Resources[0].Weight, copied.Resources[0].Name = "Most", 7, 7, "x"
	*copied.MemoryOvercommitPercent, *copied.MaxCPUOvercommitPercent, *copied.MaxMemoryOvercommitPercent = 7, 7, 7
	if diff := cmp.Diff(fresh(), original); diff != "" {
		t.Errorf("changing a copy changed the original (-want +got):\n%s", diff)
	}
	internal := defaults.DeepCopy()
	internal.MaxCPUOvercommitPercent, internal.MaxMemoryOvercommitPercent = percent(1), percent(2)
	internalCopy := internal.DeepCopy()
	internalCopy.Resources[0].Weight, *internalCopy.MaxCPUOvercommitPercent, *internalCopy.MaxMemoryOvercommitPercent = 9, 9, 9
	if internal.Resources[0].Weight != 1 || *internal.MaxCPUOvercommitPercent != 1 || *internal.MaxMemoryOvercommitPercent != 2 {
		t.Error("changing a copy changed the original")
	}
}
