// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
)

func buildCommand() *cobra.Command {
	var without []string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build all programs of the cluster into _output/bin; the first time takes minutes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBuild(cmd, cmd.OutOrStdout(), without)
		},
	}
	registerWithout(cmd.Flags(), &without)
	return cmd
}

func runBuild(cmd *cobra.Command, out io.Writer, without []string) error {
	repository, err := root()
	if err != nil {
		return err
	}
	return build.Run(cmd.Context(), build.Options{
		Root:    repository,
		Output:  filepath.Join(repository, outputDir),
		Without: without,
		Out:     out,
	})
}
