// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package app is the failure-watcher command: its flags, what it waits for at start, and how its parts are put together.
package app

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Options are the command line's.
type Options struct {
	// ConfigFile is the path of a FailureWatcherConfiguration.
	ConfigFile string
	// Kubeconfig is the path of a kubeconfig; empty means the service account of the pod.
	Kubeconfig string
	// Version asks for the version only.
	Version bool
}

// AddFlags adds the flags of the command.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.ConfigFile, "config", "", "Path of the configuration file, a FailureWatcherConfiguration (required).")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "Path of a kubeconfig file. Without it the service account of the pod is used.")
	flags.BoolVar(&o.Version, "version", false, "Print the version and exit.")
	klogFlags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(klogFlags)
	for _, name := range []string{"v", "vmodule"} {
		flags.AddGoFlag(klogFlags.Lookup(name))
	}
}

// Usage is the help text.
func Usage(flags *pflag.FlagSet) string {
	return "failure-watcher finds failed nodes, proves that they are off, and hands their VMs back to KubeVirt.\n\n" +
		"Usage:\n  failure-watcher --config=FILE [--kubeconfig=FILE]\n\nFlags:\n" + flags.FlagUsages()
}

// Version names the build.
func Version() string { return describeVersion(version.Get().GitVersion) }

// describeVersion takes our own version from behind the plus of the one that the Makefile stamps (the rest is Kubernetes', for
// virt-scheduler); a plain "go build" stamps none.
func describeVersion(stamped string) string {
	_, own, ok := strings.Cut(stamped, "+virt-scheduler.")
	if !ok {
		own = "unknown (not built by make)"
	}
	return fmt.Sprintf("failure-watcher %s, %s", own, runtime.Version())
}

// Validate says what is wrong with the command line; args are what is left of it after the flags.
func (o *Options) Validate(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q: the command takes only flags, see --help", args[0])
	}
	if o.ConfigFile == "" {
		return errors.New("--config is required: give the path of a FailureWatcherConfiguration file")
	}
	return nil
}

// LoadConfig reads and checks the configuration file.
func (o *Options) LoadConfig() (*failurev1alpha1.FailureWatcherConfiguration, error) {
	data, err := os.ReadFile(o.ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("--config: %s can't be read: %w: give the path of a FailureWatcherConfiguration file that this user may read",
			o.ConfigFile, reason(err))
	}
	cfg, err := failurev1alpha1.Load(data)
	if err != nil {
		return nil, fmt.Errorf("--config: %s: %w", o.ConfigFile, err)
	}
	return cfg, nil
}

// RESTConfig finds the API server.
func (o *Options) RESTConfig() (*rest.Config, error) {
	if o.Kubeconfig == "" {
		cfg, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("no --kubeconfig was given and this is no pod with a service account (%w): give --kubeconfig", err)
		}
		return cfg, nil
	}
	if _, err := os.ReadFile(o.Kubeconfig); err != nil {
		return nil, fmt.Errorf("--kubeconfig: %s can't be read: %w", o.Kubeconfig, reason(err))
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %s: %s: check that it has a current context with a cluster and a user",
			o.Kubeconfig, strings.TrimSpace(err.Error()))
	}
	return cfg, nil
}

// reason drops operation and path of a file error: the message says them already.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
