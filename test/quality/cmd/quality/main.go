// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command quality compares scheduler profiles by where they put the VMs of a trace.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/virt-scheduler/virt-scheduler/test/quality/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		os.Exit(1)
	}
}
