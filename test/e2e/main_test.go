// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/hosts"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

const (
	// nodeCount is enough for the pools of all tests at once.
	nodeCount = 90
	zoneCount = 3

	// stockProfile is kube-scheduler's default profile, for comparison in the same cluster.
	stockProfile = "stock"
)

// machines are those of the field. The last nodes have other processors than the rest: three old ones, and a new one.
func machines() []simhost.Hardware {
	all := hosts.Make(hosts.Layout{Nodes: nodeCount, Zones: zoneCount, Spares: 1, VCPUs: 16, MemoryGiB: 64})
	for i := nodeCount - 4; i < nodeCount-1; i++ {
		all[i].Processor = simhost.ProcessorHaswell
	}
	all[nodeCount-1].Processor = simhost.ProcessorCascadeLake
	return all
}

func addStockProfile(config map[string]any) {
	profiles, _ := config["profiles"].([]any)
	config["profiles"] = append(profiles, map[string]any{"schedulerName": stockProfile})
}

// TestMain sets these before any test runs.
var (
	// outputDir is where everything that is built or run goes, clusterDir the directory of suite's cluster below it.
	outputDir, clusterDir string
	// suite is the cluster that all tests share.
	suite *field
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	outputDir = filepath.Join(root, "_output")
	clusterDir = filepath.Join(outputDir, "e2e")
	if err := build.Run(ctx, build.Options{Root: root, Output: outputDir, Out: os.Stdout}); err != nil {
		return 1, err
	}
	c, err := cluster.Up(ctx, cluster.Options{
		Root: root, BinDir: build.BinDir(outputDir), Dir: clusterDir,
		Hosts: machines(), SchedulerConfig: addStockProfile,
		// The figures of this suite are to be believed: nothing is faster than it ships, but for the delay before a returned
		// node is taken in, which no figure contains.
		DefaultTimings: true,
		WatcherConfig: func(w *failurev1alpha1.FailureWatcherConfiguration) {
			w.Recovery.HealthyDelay = &metav1.Duration{Duration: 2 * time.Second}
		},
		Tied: true, Replace: true, Logf: cluster.LineLogger(os.Stdout),
	})
	if err != nil {
		return 1, fmt.Errorf("bring the cluster up: %w", err)
	}
	defer func() { err = errors.Join(err, c.Down(context.WithoutCancel(ctx))) }()
	suite, err = newField(ctx, c)
	if err != nil {
		return 1, err
	}
	code = m.Run()
	return code, suite.nothingDenied()
}
