// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command devcluster builds, starts and ends an embedded cluster: a real
// Kubernetes and KubeVirt control plane, simulated machines, virt-scheduler and
// failure-watcher, as processes on 127.0.0.1 and without containers.
//
// Only the command line lives here; the work is done by the packages below.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/story"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

// commands is the table of subcommands.
func commands() []*cobra.Command {
	return []*cobra.Command{
		buildCommand(),
		upCommand(),
		downCommand(),
		story.NewCommand(root),
		statusCommand(),
	}
}

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal undoes what is under way; a second one ends at once.
	go func() {
		<-ctx.Done()
		stop()
	}()

	root := &cobra.Command{
		Use:           "devcluster",
		Short:         "An embedded cluster: real Kubernetes and KubeVirt control plane, simulated machines, no containers",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nsee %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(commands()...)
	root.SetArgs(args)

	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "devcluster: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(os.Stderr, "devcluster: %v\n", err)
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// usageError is an error of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
