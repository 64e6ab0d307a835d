// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/hosts"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Namespaces and ServiceAccounts that the cluster sets up.
const (
	// SystemNamespace holds virt-scheduler and failure-watcher.
	SystemNamespace = "virt-scheduler-system"
	// KubeVirtNamespace holds KubeVirt.
	KubeVirtNamespace = "kubevirt"
	// StorageClass is served by sim-csi.
	StorageClass = "sim-csi"
)

// Options say what to bring up. The zero value of a field means its default.
type Options struct {
	// Dir gets everything that belongs to this cluster: state, data, logs, keys.
	// Two clusters with different directories don't touch each other.
	Dir string
	// BinDir holds the binaries that package build made.
	BinDir string
	// Root is the repository: its manifests are applied.
	Root string

	// Hosts are the machines. When empty they are made from the layout below.
	Hosts []simhost.Hardware
	// Nodes, Zones, Spares, VCPUs (per node) and MemoryGiB (per node) default to 6, 3, 0, 16 and 64.
	Nodes, Zones, Spares, VCPUs, MemoryGiB int

	// DefaultTimings keeps the timings with which Kubernetes ships: 50 s until a
	// node is NotReady, looked at each 5 s, 300 s of default tolerations, Leases
	// of 40 s renewed every 10 s. Without it: 12 s, 2 s, 5 s, 8 s and 2 s.
	DefaultTimings bool
	// Without names processes that are not started (build has the names).
	Without []string
	// WatcherConfig may change the watcher's configuration before it is written.
	WatcherConfig func(*failurev1alpha1.FailureWatcherConfiguration)
	// SchedulerConfig may change the scheduler's configuration (a decoded
	// KubeSchedulerConfiguration) before it is written.
	SchedulerConfig func(map[string]any)
	// Tied makes the kernel end all processes when the calling process ends, for
	// tests. Without it they outlive the caller.
	Tied bool
	// Replace ends an earlier cluster in Dir, and removes its data, first.
	Replace bool
	// Logf is told each step; nil is silence.
	Logf func(format string, args ...any)
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" || o.BinDir == "" || o.Root == "" {
		return o, errors.New("cluster options: Dir, BinDir and Root must be set")
	}
	for _, path := range []*string{&o.Dir, &o.BinDir, &o.Root} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return o, err
		}
		*path = abs
	}
	defaultTo(&o.Nodes, 6)
	defaultTo(&o.Zones, min(3, o.Nodes))
	defaultTo(&o.VCPUs, 16)
	defaultTo(&o.MemoryGiB, 64)
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	if len(o.Hosts) == 0 {
		layout := hosts.Layout{Nodes: o.Nodes, Zones: o.Zones, Spares: o.Spares, VCPUs: o.VCPUs, MemoryGiB: o.MemoryGiB}
		if err := layout.Validate(); err != nil {
			return o, err
		}
		o.Hosts = hosts.Make(layout)
	}
	o.Hosts = slices.Clone(o.Hosts)
	known := map[string]bool{}
	for _, step := range build.Steps() {
		known[step.Binary] = true
	}
	for _, name := range o.Without {
		if !known[name] {
			return o, fmt.Errorf("without: there is no process %q", name)
		}
	}
	if !o.with(build.KubeVirtInstall) {
		for _, name := range KubeVirt() {
			if o.with(name) {
				return o, fmt.Errorf("without %s there can be no %s", build.KubeVirtInstall, name)
			}
		}
	}
	return o, simhost.File{Hosts: o.Hosts}.Validate()
}

// KubeVirt returns what to leave out for a cluster that has no KubeVirt.
func KubeVirt() []string {
	return []string{build.KubeVirtInstall, build.VirtAPI, build.VirtController, build.SimVirtHandler}
}

func defaultTo(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

func (o Options) with(name string) bool { return !slices.Contains(o.Without, name) }

// timings are what decides how fast a dead node is noticed.
type timings struct {
	monitorGrace, monitorPeriod time.Duration
	tolerationSeconds           int
	leaseSeconds                int
}

func (o Options) timings() timings {
	if o.DefaultTimings {
		return timings{monitorGrace: 50 * time.Second, monitorPeriod: 5 * time.Second, tolerationSeconds: 300, leaseSeconds: 40}
	}
	return timings{monitorGrace: 12 * time.Second, monitorPeriod: 2 * time.Second, tolerationSeconds: 5, leaseSeconds: 8}
}

// LineLogger returns a Logf that writes lines with the seconds since its making.
func LineLogger(out io.Writer) func(string, ...any) {
	begin := time.Now()
	return func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, "%5.1f s  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
}
