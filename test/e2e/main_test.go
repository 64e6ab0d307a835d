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
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

const (
	// nodeCount is enough for the pools of all tests at once.
	nodeCount = 40
	zoneCount = 3
)

// suite is the cluster that all tests share. TestMain sets it before any test runs.
var suite *field

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
	output := filepath.Join(root, "_output")
	if err := build.Run(ctx, build.Options{Root: root, Output: output, Out: os.Stdout}); err != nil {
		return 1, err
	}
	c, err := cluster.Up(ctx, cluster.Options{
		Root: root, BinDir: build.BinDir(output), Dir: filepath.Join(output, "e2e"),
		Nodes: nodeCount, Zones: zoneCount, Spares: 1, VCPUs: 16, MemoryGiB: 64,
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
	return m.Run(), nil
}
