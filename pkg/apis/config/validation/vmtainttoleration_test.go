// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

func TestValidateVMTaintTolerationArgs(t *testing.T) {
	long := strings.Repeat("x", 64)
	duration := func(d time.Duration) *time.Duration { return &d }
	tests := map[string]struct {
		change func(*config.VMTaintTolerationArgs)
		want   []string // the faults, in order; none: valid
	}{
		"valid":          {change: func(*config.VMTaintTolerationArgs) {}},
		"nothing at all": {change: func(a *config.VMTaintTolerationArgs) { *a = config.VMTaintTolerationArgs{} }},
		"the lower ends of the ranges": {change: func(a *config.VMTaintTolerationArgs) {
			a.ShortestToleration, a.ToleratedTaintWeight, a.PreferNoScheduleTaintWeight = duration(time.Second), 0, 0
			a.AdverseConditions[0].Weight = 1
		}},
		"the upper ends": {change: func(a *config.VMTaintTolerationArgs) {
			a.ShortestToleration, a.ToleratedTaintWeight, a.PreferNoScheduleTaintWeight = duration(8760*time.Hour), 100, 100
		}},
		"a condition in two statuses": {change: func(a *config.VMTaintTolerationArgs) {
			a.AdverseConditions = append(a.AdverseConditions,
				config.AdverseCondition{Type: "DiskPressure", Status: corev1.ConditionUnknown, Weight: 10})
		}},
		"a toleration of no time": {
			change: func(a *config.VMTaintTolerationArgs) { a.ShortestToleration = duration(0) },
			want: []string{`args.shortestToleration: Invalid value: "0s": must be in the range [1s, 8760h]; ` +
				`leave it out to accept only tolerations without tolerationSeconds`},
		},
		"a wildcard for everything": {
			change: func(a *config.VMTaintTolerationArgs) { a.EvacuationTaints = []string{"*"} },
			want: []string{`args.evacuationTaints[0]: Invalid value: "*": name part must consist of alphanumeric characters, '-', '_' or '.', ` +
				`and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is ` +
				`'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`},
		},
		"wildcards within a name, and of no domain": {
			change: func(a *config.VMTaintTolerationArgs) {
				a.IgnoredTaints = []string{"example.com/pool-*", "/*", "Example.com/*"}
			},
			want: []string{
				`args.ignoredTaints[0]: Invalid value: "example.com/pool-*": name part must consist of alphanumeric characters, '-', '_' or '.', ` +
					`and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is ` +
					`'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
				`args.ignoredTaints[1]: Invalid value: "/*": ` + subdomain,
				`args.ignoredTaints[2]: Invalid value: "Example.com/*": ` + subdomain,
			},
		},
		"Ready": {
			change: func(a *config.VMTaintTolerationArgs) { a.AdverseConditions[0].Type = corev1.NodeReady },
			want: []string{`args.adverseConditions[0].type: Forbidden: Ready is no adverse condition: ` +
				`Kubernetes taints nodes that are not ready, and taints are tolerated or not`},
		},
		"everything wrong": {
			change: func(a *config.VMTaintTolerationArgs) {
				*a = config.VMTaintTolerationArgs{
					EvacuationTaints:            []string{"kubevirt.io/drain", "kubevirt.io/drain", "", long},
					ShortestToleration:          duration(-time.Minute),
					ToleratedTaintWeight:        -1,
					PreferNoScheduleTaintWeight: 101,
					IgnoredTaints:               []string{"a.b/*", "a.b/*"},
					AdverseConditions: []config.AdverseCondition{
						{Type: "DiskPressure", Status: "true", Weight: 0},
						{Type: "Disk Pressure", Status: corev1.ConditionTrue, Weight: 101},
						{Type: "NTPProblem", Status: corev1.ConditionTrue, Weight: 1},
						{Type: "NTPProblem", Status: corev1.ConditionTrue, Weight: 1},
					},
				}
			},
			want: []string{
				`args.evacuationTaints[1]: Duplicate value: "kubevirt.io/drain"`,
				`args.evacuationTaints[2]: Invalid value: "": name part must be non-empty`,
				`args.evacuationTaints[2]: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', ` +
					`and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is ` +
					`'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
				`args.evacuationTaints[3]: Invalid value: "` + long + `": name part must be no more than 63 bytes`,
				`args.shortestToleration: Invalid value: "-1m0s": must be in the range [1s, 8760h]; ` +
					`leave it out to accept only tolerations without tolerationSeconds`,
				`args.toleratedTaintWeight: Invalid value: -1: must be in the range [0, 100]`,
				`args.preferNoScheduleTaintWeight: Invalid value: 101: must be in the range [0, 100]`,
				`args.ignoredTaints[1]: Duplicate value: "a.b/*"`,
				`args.adverseConditions[0].status: Unsupported value: "true": supported values: "True", "False", "Unknown"`,
				`args.adverseConditions[0].weight: Invalid value: 0: must be in the range [1, 100]`,
				`args.adverseConditions[1].type: Invalid value: "Disk Pressure": name part must consist of alphanumeric characters, '-', '_' or '.', ` +
					`and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is ` +
					`'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
				`args.adverseConditions[1].weight: Invalid value: 101: must be in the range [1, 100]`,
				`args.adverseConditions[3]: Duplicate value: "NTPProblem=True"`,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			args := &config.VMTaintTolerationArgs{
				EvacuationTaints:     []string{"kubevirt.io/drain", "medik8s.io/*", "name-without-domain"},
				ShortestToleration:   duration(time.Hour),
				ToleratedTaintWeight: 25, PreferNoScheduleTaintWeight: 50,
				IgnoredTaints:     []string{"example.com/pool"},
				AdverseConditions: []config.AdverseCondition{{Type: "DiskPressure", Status: corev1.ConditionTrue, Weight: 100}},
			}
			tc.change(args)
			checkFaults(t, ValidateVMTaintTolerationArgs(field.NewPath("args"), args), tc.want)
		})
	}
}

const subdomain = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an ` +
	`alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
