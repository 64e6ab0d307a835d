// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
)

func downCommand() *cobra.Command {
	var where location
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End exactly the processes that up started, also after a crash of up; logs stay",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := where.path()
			if err != nil {
				return err
			}
			ended, err := cluster.Down(dir)
			if err != nil {
				return err
			}
			if len(ended) == 0 {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "nothing runs in %s\n", dir)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ended %d processes: %s\n", len(ended), strings.Join(ended, ", "))
			return err
		},
	}
	where.register(cmd.Flags())
	return cmd
}

func statusCommand() *cobra.Command {
	var (
		where  location
		output string
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the processes of the cluster; exit code 1 when one of them does not run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			dir, err := where.path()
			if err != nil {
				return err
			}
			status, err := cluster.ReadStatus(dir)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if output == "json" {
				if err := json.NewEncoder(out).Encode(status); err != nil {
					return err
				}
			} else if err := status.Print(out); err != nil {
				return err
			}
			return status.Err()
		},
	}
	where.register(cmd.Flags())
	registerOutput(cmd, &output)
	return cmd
}
