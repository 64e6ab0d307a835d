// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection_test

import (
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/readmetest"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmnodeselection"
)

// The configuration in the README is one that a scheduler starts with, and says what the text around it says.
func TestReadmeConfigurationRuns(t *testing.T) {
	args := readmetest.Args[*config.VMNodeSelectionArgs](t, readmetest.Runs(t, vmnodeselection.Name, 4), vmnodeselection.Name)
	if args.HeartbeatTolerance != 150*time.Second || args.MigratabilitySaturation != 5 || args.RequirePublished {
		t.Errorf("the arguments were loaded as %+v", args)
	}
}

func TestReadmeConfigurationIsReadStrictly(t *testing.T) {
	readmetest.ReadStrictly(t, "heartbeatTolerance", "heartBeatTolerance")
}
