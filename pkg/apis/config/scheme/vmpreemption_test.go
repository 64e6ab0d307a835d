// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package scheme

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
)

func preemptionDefaults(change func(*config.VMPreemptionArgs)) config.VMPreemptionArgs {
	args := config.VMPreemptionArgs{
		MinCandidateNodesPercentage: 10, MinCandidateNodesAbsolute: 100, MoveStrategyNone: true, ExternalVMs: config.ExternalSpare,
		MoveTimeout: 10 * time.Minute, RetryAfter: 5 * time.Minute, MigrationBandwidth: resource.MustParse("64Mi"),
	}
	if change != nil {
		change(&args)
	}
	return args
}

// otherPreemption differs from the defaults in every field.
var otherPreemption = config.VMPreemptionArgs{
	MinCandidateNodesPercentage: 20, MinCandidateNodesAbsolute: 7, EvictNotMigratable: true, ExternalVMs: config.ExternalSignal,
	VMsOfOtherSchedulers: true, MigrationTargetsPreempt: true,
	MoveTimeout: time.Hour, RetryAfter: 90 * time.Second, MigrationBandwidth: resource.MustParse("1Gi"),
}

func TestLoadVMPreemptionArgs(t *testing.T) {
	tests := map[string]struct {
		args string
		want config.VMPreemptionArgs
	}{
		"defaults":                 {args: `{}`, want: preemptionDefaults(nil)},
		"with apiVersion and kind": {args: `{apiVersion: kubescheduler.config.k8s.io/v1, kind: VMPreemptionArgs}`, want: preemptionDefaults(nil)},
		"all set": {
			args: `{minCandidateNodesPercentage: 20, minCandidateNodesAbsolute: 7, moveStrategyNone: false, evictNotMigratable: true,
			  externalVMs: Signal, vmsOfOtherSchedulers: true, migrationTargetsPreempt: true, moveTimeout: 1h, retryAfter: 1m30s,
			  migrationBandwidth: 1Gi}`,
			want: otherPreemption,
		},
		"some set, the others by default": {
			args: `{evictNotMigratable: true, migrationBandwidth: 100M}`,
			want: preemptionDefaults(func(a *config.VMPreemptionArgs) {
				a.EvictNotMigratable, a.MigrationBandwidth = true, resource.MustParse("100M")
			}),
		},
		"zero is not absent": {
			args: `{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0, moveStrategyNone: false, externalVMs: "", moveTimeout: 0s,
			  retryAfter: 0s, migrationBandwidth: 0}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, "VMPreemption", tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreTypes(metav1.TypeMeta{})); diff != "" {
				t.Errorf("loaded arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVMPreemptionDefaultsAreValid(t *testing.T) {
	args := preemptionDefaults(nil)
	if err := validation.ValidateVMPreemptionArgs(field.NewPath("args"), &args); err != nil {
		t.Error(err)
	}
}

func TestLoadVMPreemptionArgsIsStrict(t *testing.T) {
	checkRefused(t, "VMPreemption", map[string]refusal{
		"unknown field":                {`{evictNotMigrateable: true}`, `strict decoding error: unknown field "evictNotMigrateable"`},
		"a field twice":                {`{moveStrategyNone: true, moveStrategyNone: false}`, `key "moveStrategyNone" already set in map`},
		"a number for a duration":      {`{moveTimeout: 600}`, `cannot unmarshal number`},
		"a string for a truth":         {`{evictNotMigratable: "false"}`, `cannot unmarshal string`},
		"a bandwidth that is no size":  {`{migrationBandwidth: fast}`, `quantities must match the regular expression`},
		"more nodes than can be named": {`{minCandidateNodesAbsolute: 2147483648}`, `cannot unmarshal number 2147483648`},
	})
}

// What --write-config-to writes can be read again and means the same.
func TestVMPreemptionArgsRoundTrip(t *testing.T) {
	for name, want := range map[string]config.VMPreemptionArgs{"defaults": preemptionDefaults(nil), "zero": {}, "all": otherPreemption} {
		t.Run(name, func(t *testing.T) { checkRoundTrip(t, &want) })
	}
}

func TestVMPreemptionArgsDeepCopy(t *testing.T) {
	fresh := func() *v1.VMPreemptionArgs {
		args := &v1.VMPreemptionArgs{}
		v1.SetDefaultsVMPreemptionArgs(args)
		args.MigrationBandwidth.ToDec() // then it holds a pointer
		return args
	}
	more := resource.MustParse("1Mi")
	original := fresh()
	copied := original.DeepCopy()
	*copied.MinCandidateNodesPercentage, *copied.MinCandidateNodesAbsolute, *copied.ExternalVMs = 7, 7, "x"
	*copied.MoveStrategyNone, *copied.EvictNotMigratable, *copied.VMsOfOtherSchedulers, *copied.MigrationTargetsPreempt = false, true, true, true
	copied.MoveTimeout.Duration, copied.RetryAfter.Duration = 7, 7
	copied.MigrationBandwidth.Add(more)
	if diff := cmp.Diff(fresh(), original); diff != "" {
		t.Errorf("changing a copy changed the original (-want +got):\n%s", diff)
	}
	internal := preemptionDefaults(func(a *config.VMPreemptionArgs) { a.MigrationBandwidth.ToDec() })
	internal.DeepCopy().MigrationBandwidth.Add(more)
	if diff := cmp.Diff(preemptionDefaults(nil), internal); diff != "" {
		t.Errorf("changing a copy changed the original (-want +got):\n%s", diff)
	}
}
