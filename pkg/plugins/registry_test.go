// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plugins_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2/ktesting"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/readmetest"
)

// withoutArguments are plugins that refuse whatever arguments they are given.
var withoutArguments = []string{"VMTopologySpread"}

const withArgs = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
  - pluginConfig:
      - name: %s
        args: %s
`

// Every plugin of the registry has its arguments strictly decoded: a field that is not known is not passed over.
func TestArgumentsAreReadStrictly(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(plugins.NewRegistry())) {
		t.Run(name, func(t *testing.T) {
			if slices.Contains(withoutArguments, name) {
				refusesArguments(t, name)
				return
			}
			loaded, err := readmetest.Load(t, fmt.Sprintf(withArgs, name, "{}"))
			if err != nil {
				t.Fatalf("no arguments: %v", err)
			}
			if args := readmetest.Args[runtime.Object](t, loaded, name); isUnknown(args) {
				t.Fatal("the arguments were not decoded: their kind is not registered")
			}
			_, err = readmetest.Load(t, fmt.Sprintf(withArgs, name, "{noSuchField: 1}"))
			want := fmt.Sprintf(`decoding args for plugin %s: strict decoding error: unknown field "noSuchField"`, name)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q in it", err, want)
			}
		})
	}
}

func isUnknown(args runtime.Object) bool {
	_, unknown := args.(*runtime.Unknown)
	return unknown
}

// refusesArguments: a kind that is not registered is not decoded, so the plugin itself has to say no.
func refusesArguments(t *testing.T, name string) {
	t.Helper()
	loaded, err := readmetest.Load(t, fmt.Sprintf(withArgs, name, "{noSuchField: 1}"))
	if err != nil {
		t.Fatal(err)
	}
	_, ctx := ktesting.NewTestContext(t)
	handle, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plugins.NewRegistry()[name](ctx, readmetest.Args[runtime.Object](t, loaded, name), handle); err == nil {
		t.Error("arguments were taken")
	}
}
