// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

func TestValidateVMNodeSelectionArgs(t *testing.T) {
	tests := map[string]struct {
		args config.VMNodeSelectionArgs
		want []string // the faults, in order; none: valid
	}{
		"valid":              {args: config.VMNodeSelectionArgs{HeartbeatTolerance: 180 * time.Second, MigratabilitySaturation: 3}},
		"the lowest values":  {args: config.VMNodeSelectionArgs{HeartbeatTolerance: 150 * time.Second, MigratabilitySaturation: 1}},
		"the highest values": {args: config.VMNodeSelectionArgs{HeartbeatTolerance: time.Hour, MigratabilitySaturation: 100, RequirePublished: true}},
		"a tolerance that a living virt-handler can exceed": {
			args: config.VMNodeSelectionArgs{HeartbeatTolerance: 149 * time.Second, MigratabilitySaturation: 3},
			want: []string{`args.heartbeatTolerance: Invalid value: "2m29s": must be in the range [150s, 1h]: a virt-handler beats every 60 to 132 s`},
		},
		"everything wrong": {
			args: config.VMNodeSelectionArgs{HeartbeatTolerance: time.Hour + 1, MigratabilitySaturation: 101},
			want: []string{
				`args.heartbeatTolerance: Invalid value: "1h0m0.000000001s": must be in the range [150s, 1h]: a virt-handler beats every 60 to 132 s`,
				`args.migratabilitySaturation: Invalid value: 101: must be in the range [1, 100]`,
			},
		},
		"nothing set": {
			want: []string{
				`args.heartbeatTolerance: Invalid value: "0s": must be in the range [150s, 1h]: a virt-handler beats every 60 to 132 s`,
				`args.migratabilitySaturation: Invalid value: 0: must be in the range [1, 100]`,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			checkFaults(t, ValidateVMNodeSelectionArgs(field.NewPath("args"), &tc.args), tc.want)
		})
	}
}
