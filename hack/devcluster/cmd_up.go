// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
)

func upCommand() *cobra.Command {
	var (
		where   location
		how     size
		output  string
		noBuild bool
		replace bool
	)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Build, bring the cluster up, and leave it running",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if !noBuild {
				if err := runBuild(cmd, os.Stderr, how.without); err != nil {
					return err
				}
			}
			dir, err := where.path()
			if err != nil {
				return err
			}
			options, err := how.options(dir)
			if err != nil {
				return err
			}
			options.Replace = replace
			options.Logf = cluster.LineLogger(os.Stderr)
			c, err := cluster.Up(cmd.Context(), options)
			if err != nil {
				return err
			}
			return printUp(cmd.OutOrStdout(), c, output)
		},
	}
	where.register(cmd.Flags())
	how.register(cmd.Flags())
	registerOutput(cmd, &output)
	cmd.Flags().BoolVar(&noBuild, "no-build", false, "use the binaries in _output/bin as they are")
	cmd.Flags().BoolVar(&replace, "replace", false, "end a cluster that runs in the same directory first")
	return cmd
}

func registerOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return usageError{fmt.Errorf("--output=%q: want text or json", output)}
	}
	return nil
}

func printUp(out io.Writer, c *cluster.Cluster, output string) error {
	if output == "json" {
		return json.NewEncoder(out).Encode(map[string]any{
			"kubeconfig": c.Kubeconfig(),
			"auditLog":   c.AuditLog(),
			"hosts":      c.Hosts(),
		})
	}
	_, err := fmt.Fprintf(out, "export KUBECONFIG=%s\n", c.Kubeconfig())
	return err
}
