// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization_test

import (
	"regexp"
	"testing"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/readmetest"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmutilization"
)

// The configuration in the README is one that a scheduler starts with, and says what the text around it says.
func TestReadmeConfigurationRuns(t *testing.T) {
	args := readmetest.Args[*config.VMUtilizationArgs](t, readmetest.Runs(t, vmutilization.Name, 20), vmutilization.Name)
	if args.MaxCPUOvercommitPercent == nil || *args.MaxCPUOvercommitPercent != 600 || args.CPUOvercommitPercent != 300 {
		t.Errorf("the arguments were loaded as %+v", args)
	}
}

func TestReadmeConfigurationIsReadStrictly(t *testing.T) {
	readmetest.ReadStrictly(t, "maxCPUOvercommitPercent", "maxCpuOvercommitPercent")
}

// The annotation in the README is one that is understood.
func TestReadmeAnnotation(t *testing.T) {
	example := regexp.MustCompile(regexp.QuoteMeta(config.OvercommitAnnotation) + `=(\S+)`).FindStringSubmatch(readmetest.Text(t))
	if example == nil {
		t.Fatal("README.md has no example of the annotation")
	}
	got, err := rank.ParseCaps(example[1])
	if want := (rank.Caps{CPU: 800, Memory: 120}); err != nil || got != want {
		t.Errorf("%q means %+v, %v, want %+v", example[1], got, err, want)
	}
}
