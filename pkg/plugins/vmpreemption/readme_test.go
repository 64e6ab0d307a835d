// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/readmetest"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmpreemption"
)

// The configuration in the README is read as it is meant.
func TestReadmeConfiguration(t *testing.T) {
	loaded, err := readmetest.Load(t, readmetest.YAML(t))
	if err != nil {
		t.Fatal(err)
	}
	args := readmetest.Args[*config.VMPreemptionArgs](t, loaded, vmpreemption.Name)
	if args.MoveTimeout != 20*time.Minute || args.MigrationBandwidth.Value() != 256<<20 || !args.MoveStrategyNone || args.EvictNotMigratable {
		t.Errorf("the arguments were loaded as %+v", args)
	}
}

func TestReadmeConfigurationIsReadStrictly(t *testing.T) {
	readmetest.ReadStrictly(t, "moveTimeout", "movetimeout")
}
