// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

func TestValidateVMAffinityArgs(t *testing.T) {
	tests := map[string]struct {
		change func(*config.VMAffinityArgs)
		want   []string // the faults, in order; none: valid
	}{
		"valid": {change: func(*config.VMAffinityArgs) {}},
		"the lower end, the other policy, no taints": {change: func(a *config.VMAffinityArgs) {
			*a = config.VMAffinityArgs{RequiredAffinityDuringMigration: config.AffinityRequired}
		}},
		"the upper end": {change: func(a *config.VMAffinityArgs) { a.HardPodAffinityWeight = 100 }},
		"no policy": {
			change: func(a *config.VMAffinityArgs) { a.RequiredAffinityDuringMigration = "" },
			want:   []string{`args.requiredAffinityDuringMigration: Unsupported value: "": supported values: "PreferredOnEvacuation", "Required"`},
		},
		"everything wrong": {
			change: func(a *config.VMAffinityArgs) {
				*a = config.VMAffinityArgs{
					HardPodAffinityWeight: 101, RequiredAffinityDuringMigration: "Preferred",
					EvacuationTaints: []string{"kubevirt.io/drain", "kubevirt.io/drain", "Example.com/*"},
				}
			},
			want: []string{
				`args.hardPodAffinityWeight: Invalid value: 101: must be in the range [0, 100]`,
				`args.requiredAffinityDuringMigration: Unsupported value: "Preferred": supported values: "PreferredOnEvacuation", "Required"`,
				`args.evacuationTaints[1]: Duplicate value: "kubevirt.io/drain"`,
				`args.evacuationTaints[2]: Invalid value: "Example.com/*": ` + subdomain,
			},
		},
		"a weight below nothing": {
			change: func(a *config.VMAffinityArgs) { a.HardPodAffinityWeight = -1 },
			want:   []string{`args.hardPodAffinityWeight: Invalid value: -1: must be in the range [0, 100]`},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			args := &config.VMAffinityArgs{
				HardPodAffinityWeight: 1, RequiredAffinityDuringMigration: config.AffinityPreferredOnEvacuation,
				EvacuationTaints: []string{"kubevirt.io/drain", "medik8s.io/*"},
			}
			tc.change(args)
			checkFaults(t, ValidateVMAffinityArgs(field.NewPath("args"), args), tc.want)
		})
	}
}
