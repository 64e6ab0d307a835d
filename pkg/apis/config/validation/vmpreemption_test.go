// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"math"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

func TestValidateVMPreemptionArgs(t *testing.T) {
	const noNode = "no node would be looked at"
	tests := map[string]struct {
		change func(*config.VMPreemptionArgs)
		want   []string // the faults, in order; none: valid
	}{
		"valid": {change: func(*config.VMPreemptionArgs) {}},
		"the lower ends, the number of nodes in percent": {change: func(a *config.VMPreemptionArgs) {
			a.MinCandidateNodesPercentage, a.MinCandidateNodesAbsolute = 1, 0
			a.MoveTimeout, a.RetryAfter, a.MigrationBandwidth = time.Minute, 10*time.Second, resource.MustParse("1Mi")
		}},
		"the upper ends, the other policy": {change: func(a *config.VMPreemptionArgs) {
			a.MinCandidateNodesPercentage, a.MinCandidateNodesAbsolute, a.ExternalVMs = 100, math.MaxInt32, config.ExternalSignal
			a.MoveTimeout, a.RetryAfter, a.MigrationBandwidth = 24*time.Hour, 24*time.Hour, resource.MustParse("1Ei")
		}},
		"no percentage":      {change: func(a *config.VMPreemptionArgs) { a.MinCandidateNodesPercentage = 0 }},
		"everything allowed": {change: func(a *config.VMPreemptionArgs) { a.EvictNotMigratable, a.VMsOfOtherSchedulers = true, true }},
		"no node": {
			change: func(a *config.VMPreemptionArgs) { a.MinCandidateNodesPercentage, a.MinCandidateNodesAbsolute = 0, 0 },
			want: []string{
				"args.minCandidateNodesPercentage: Invalid value: 0: must not be 0 where minCandidateNodesAbsolute is: " + noNode,
				"args.minCandidateNodesAbsolute: Invalid value: 0: must not be 0 where minCandidateNodesPercentage is: " + noNode,
			},
		},
		"no policy": {
			change: func(a *config.VMPreemptionArgs) { a.ExternalVMs = "" },
			want:   []string{`args.externalVMs: Unsupported value: "": supported values: "Signal", "Spare"`},
		},
		"a bandwidth without its unit": {
			change: func(a *config.VMPreemptionArgs) { a.MigrationBandwidth = resource.MustParse("64") },
			want:   []string{`args.migrationBandwidth: Invalid value: "64": must be at least 1Mi: it is in bytes per second`},
		},
		"just outside": {
			change: func(a *config.VMPreemptionArgs) {
				a.MinCandidateNodesPercentage = 101
				a.MoveTimeout, a.RetryAfter, a.MigrationBandwidth = 24*time.Hour+1, 24*time.Hour+1, resource.MustParse("1048575")
			},
			want: []string{
				"args.minCandidateNodesPercentage: Invalid value: 101: must be in the range [0, 100]",
				`args.moveTimeout: Invalid value: "24h0m0.000000001s": must be in the range [1m, 24h]`,
				`args.retryAfter: Invalid value: "24h0m0.000000001s": must be in the range [10s, 24h]`,
				`args.migrationBandwidth: Invalid value: "1048575": must be at least 1Mi: it is in bytes per second`,
			},
		},
		"everything wrong": {
			change: func(a *config.VMPreemptionArgs) {
				*a = config.VMPreemptionArgs{
					MinCandidateNodesPercentage: -1, MinCandidateNodesAbsolute: -1, ExternalVMs: "spare",
					MoveTimeout: 59 * time.Second, RetryAfter: -time.Second, MigrationBandwidth: resource.MustParse("-64Mi"),
				}
			},
			want: []string{
				"args.minCandidateNodesPercentage: Invalid value: -1: must be in the range [0, 100]",
				"args.minCandidateNodesAbsolute: Invalid value: -1: must be greater than or equal to 0",
				`args.externalVMs: Unsupported value: "spare": supported values: "Signal", "Spare"`,
				`args.moveTimeout: Invalid value: "59s": must be in the range [1m, 24h]`,
				`args.retryAfter: Invalid value: "-1s": must be in the range [10s, 24h]`,
				`args.migrationBandwidth: Invalid value: "-64Mi": must be at least 1Mi: it is in bytes per second`,
			},
		},
		"nothing set": {
			change: func(a *config.VMPreemptionArgs) { *a = config.VMPreemptionArgs{} },
			want: []string{
				"args.minCandidateNodesPercentage: Invalid value: 0: must not be 0 where minCandidateNodesAbsolute is: " + noNode,
				"args.minCandidateNodesAbsolute: Invalid value: 0: must not be 0 where minCandidateNodesPercentage is: " + noNode,
				`args.externalVMs: Unsupported value: "": supported values: "Signal", "Spare"`,
				`args.moveTimeout: Invalid value: "0s": must be in the range [1m, 24h]`,
				`args.retryAfter: Invalid value: "0s": must be in the range [10s, 24h]`,
				`args.migrationBandwidth: Invalid value: "0": must be at least 1Mi: it is in bytes per second`,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			args := &config.VMPreemptionArgs{
				MinCandidateNodesPercentage: 10, MinCandidateNodesAbsolute: 100, MoveStrategyNone: true, ExternalVMs: config.ExternalSpare,
				MoveTimeout: 10 * time.Minute, RetryAfter: 5 * time.Minute, MigrationBandwidth: resource.MustParse("64Mi"),
			}
			tc.change(args)
			checkFaults(t, ValidateVMPreemptionArgs(field.NewPath("args"), args), tc.want)
		})
	}
}
