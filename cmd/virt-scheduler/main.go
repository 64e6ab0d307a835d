// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command virt-scheduler is kube-scheduler with plugins for KubeVirt virtual
// machines compiled in. Which plugins is said in pkg/plugins and nowhere else.
package main

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // log format json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of API requests
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric of the version
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
)

func main() {
	os.Exit(cli.Run(newCommand()))
}

// newCommand is kube-scheduler's command with our plugins and our words.
func newCommand() *cobra.Command {
	registry := plugins.NewRegistry()
	command := app.NewSchedulerCommand(withPlugins(registry)...)
	command.Use = programName
	command.Long = describe(registry)
	before := command.PersistentPreRunE
	command.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		printVersionAndExitIfRequested(cmd)
		return before(cmd, args)
	}
	return command
}

func withPlugins(registry frameworkruntime.Registry) []app.Option {
	options := make([]app.Option, 0, len(registry))
	for name, factory := range registry {
		options = append(options, app.WithPlugin(name, factory))
	}
	return options
}
