// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/version"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
)

const programName = "virt-scheduler"

const long = `virt-scheduler places KubeVirt virtual machines. It is the Kubernetes scheduler
with VM-aware plugins compiled in, and takes all of kube-scheduler's flags and
configuration. It runs beside the cluster's own scheduler: a virtual machine
opts in by its spec.template.spec.schedulerName, which names a profile of the
configuration given by --config.

Plugins on top of kube-scheduler's, to be enabled in a profile:
  %s

Examples:
  # the three profiles that the project ships
  virt-scheduler --config=manifests/profiles/kubescheduler-config.yaml

  # write down the configuration that is in effect, defaults included, and quit
  virt-scheduler --config=config.yaml --write-config-to=effective.yaml`

func describe(registry frameworkruntime.Registry) string {
	return fmt.Sprintf(long, strings.Join(slices.Sorted(maps.Keys(registry)), "\n  "))
}

// printVersionAndExitIfRequested answers --version in our name; --version=raw stays Kubernetes' answer.
func printVersionAndExitIfRequested(cmd *cobra.Command) {
	if flag := cmd.Flags().Lookup("version"); flag == nil || flag.Value.String() != "true" {
		return
	}
	fmt.Println(describeVersion(version.Get().GitVersion))
	os.Exit(0)
}

// describeVersion says what we are and which Kubernetes we are made of. The build stamps both into one version, ours
// behind the plus (Makefile); a plain "go build" stamps neither.
func describeVersion(stamped string) string {
	kubernetes, own, ok := strings.Cut(stamped, "+"+programName+".")
	if !ok {
		kubernetes, own = "unknown", "unknown (not built by make)"
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, dep := range info.Deps {
				if dep.Path == "k8s.io/kubernetes" {
					kubernetes = dep.Version
				}
			}
		}
	}
	return fmt.Sprintf("%s %s, Kubernetes %s, %s", programName, own, kubernetes, runtime.Version())
}
