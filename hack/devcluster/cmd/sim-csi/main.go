// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command sim-csi plays a storage system and the sidecars of its CSI driver in the embedded cluster. It stores nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simcsi"
)

func main() {
	flags := flag.NewFlagSet("sim-csi", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig")
	klog.InitFlags(flags)
	_ = flags.Parse(os.Args[1:]) // ExitOnError

	ctrllog.SetLogger(klog.Background())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *kubeconfig)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim-csi:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("--kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 200, 400
	mgr, err := simcsi.NewManager(ctx, config, clock.RealClock{})
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
