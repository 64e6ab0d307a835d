// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	_ "embed" // for the configurations
	"fmt"
	"os"

	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	_ "github.com/virt-scheduler/virt-scheduler/pkg/plugins" // whoever has the plugins has their arguments decoded
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// The names under which profiles are reported.
const (
	OurLow        = "LowNodeUtilization"
	OurHigh       = "HighNodeUtilization"
	OurNone       = "NoScoring"
	Stock         = "stock"
	OpenShiftLow  = "OpenShift LowNodeUtilization"
	OpenShiftHigh = "OpenShift HighNodeUtilization"
	OpenShiftNone = "OpenShift NoScoring"
)

// ours are the profiles that the project ships, by schedulerName.
var ours = map[string]string{
	"virt-scheduler":                       OurLow,
	"virt-scheduler-high-node-utilization": OurHigh,
	"virt-scheduler-no-scoring":            OurNone,
}

//go:embed openshift-low.yaml
var openShiftLow []byte

//go:embed openshift-high.yaml
var openShiftHigh []byte

//go:embed openshift-none.yaml
var openShiftNone []byte

// Profile is a profile under the name that people know it by.
type Profile struct {
	Name string
	// Ours is true for what the project ships.
	Ours   bool
	Config schedulerconfig.KubeSchedulerProfile
}

// Load returns all profiles that are compared; shipped is the path of the project's configuration. Another configuration
// with other profiles may be given in its place: they go by their schedulerName then.
func Load(shipped string) ([]Profile, error) {
	content, err := os.ReadFile(shipped)
	if err != nil {
		return nil, fmt.Errorf("reading the shipped profiles: %w", err)
	}
	config, err := simapi.LoadConfig(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shipped, err)
	}
	var all []Profile
	for _, p := range config.Profiles {
		name, ok := ours[p.SchedulerName]
		if !ok {
			name = p.SchedulerName
		}
		all = append(all, Profile{Name: name, Ours: true, Config: p})
	}
	stock, err := simapi.StockProfile("default-scheduler")
	if err != nil {
		return nil, err
	}
	all = append(all, Profile{Name: Stock, Config: stock})
	for _, other := range []struct {
		name    string
		content []byte
	}{
		{OpenShiftLow, openShiftLow},
		{OpenShiftHigh, openShiftHigh},
		{OpenShiftNone, openShiftNone},
	} {
		config, err := simapi.LoadConfig(other.content)
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", other.name, err)
		}
		all = append(all, Profile{Name: other.name, Config: config.Profiles[0]})
	}
	return all, nil
}
