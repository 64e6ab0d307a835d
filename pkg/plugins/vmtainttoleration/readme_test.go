// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/readmetest"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmtainttoleration"
)

// The configuration in the README is one that a scheduler starts with, and says what the text around it says.
func TestReadmeConfigurationRuns(t *testing.T) {
	args := readmetest.Args[*config.VMTaintTolerationArgs](t, readmetest.Runs(t, vmtainttoleration.Name, 5), vmtainttoleration.Name)
	if args.ShortestToleration == nil || *args.ShortestToleration != 24*time.Hour || len(args.EvacuationTaints) != 7 {
		t.Errorf("the arguments were loaded as %+v", args)
	}
}

func TestReadmeConfigurationIsReadStrictly(t *testing.T) {
	readmetest.ReadStrictly(t, "ignoredTaints", "ignoredTaint")
}

// The tables of the README name what the defaults are, and nothing else.
func TestReadmeNamesTheDefaults(t *testing.T) {
	readme := readmetest.Text(t)
	loaded, err := readmetest.Load(t, "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles:\n"+
		"  - pluginConfig: [{name: VMTaintToleration, args: {}}]\n")
	if err != nil {
		t.Fatal(err)
	}
	args := readmetest.Args[*config.VMTaintTolerationArgs](t, loaded, vmtainttoleration.Name)
	for _, key := range args.EvacuationTaints {
		if !strings.Contains(readme, "\n| `"+key+"` |") {
			t.Errorf("evacuation taint %s is not in the table", key)
		}
	}
	for _, condition := range args.AdverseConditions {
		if !strings.Contains(readme, "`"+string(condition.Type)+"`") {
			t.Errorf("condition %s is not in the table", condition.Type)
		}
	}
}
