// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package scheme

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
)

// affinityDefaults: the taints are those of VMTaintToleration.
func affinityDefaults(change func(*config.VMAffinityArgs)) config.VMAffinityArgs {
	args := config.VMAffinityArgs{
		HardPodAffinityWeight: 1, RequiredAffinityDuringMigration: config.AffinityPreferredOnEvacuation,
		EvacuationTaints: taintDefaults(nil).EvacuationTaints,
	}
	if change != nil {
		change(&args)
	}
	return args
}

func TestLoadVMAffinityArgs(t *testing.T) {
	tests := map[string]struct {
		args string
		want config.VMAffinityArgs
	}{
		"defaults": {args: `{}`, want: affinityDefaults(nil)},
		"with apiVersion and kind": {
			args: `{apiVersion: kubescheduler.config.k8s.io/v1, kind: VMAffinityArgs}`, want: affinityDefaults(nil),
		},
		"neither zero nor an empty list is absent": {
			args: `{hardPodAffinityWeight: 0, evacuationTaints: []}`,
			want: affinityDefaults(func(a *config.VMAffinityArgs) { a.HardPodAffinityWeight, a.EvacuationTaints = 0, nil }),
		},
		"all set": {
			args: `{hardPodAffinityWeight: 7, ignorePreferredTermsOfExistingPods: true, requiredAffinityDuringMigration: Required,
			  evacuationTaints: [example.com/leave]}`,
			want: config.VMAffinityArgs{
				HardPodAffinityWeight: 7, IgnorePreferredTermsOfExistingPods: true,
				RequiredAffinityDuringMigration: config.AffinityRequired, EvacuationTaints: []string{"example.com/leave"},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, "VMAffinity", tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreTypes(metav1.TypeMeta{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("loaded arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVMAffinityDefaultsAreValid(t *testing.T) {
	args := affinityDefaults(nil)
	if err := validation.ValidateVMAffinityArgs(field.NewPath("args"), &args); err != nil {
		t.Error(err)
	}
}

func TestLoadVMAffinityArgsIsStrict(t *testing.T) {
	checkRefused(t, "VMAffinity", map[string]refusal{
		"unknown field":         {`{noSuchField: 1}`, `strict decoding error: unknown field "noSuchField"`},
		"a field twice":         {`{hardPodAffinityWeight: 1, hardPodAffinityWeight: 2}`, `key "hardPodAffinityWeight" already set in map`},
		"a number for a policy": {`{requiredAffinityDuringMigration: 1}`, `cannot unmarshal number`},
	})
}

// What --write-config-to writes can be read again and means the same, also where it says "none".
func TestVMAffinityArgsRoundTrip(t *testing.T) {
	for name, want := range map[string]config.VMAffinityArgs{
		"defaults": affinityDefaults(nil),
		"none":     {},
		"some": affinityDefaults(func(a *config.VMAffinityArgs) {
			a.HardPodAffinityWeight, a.IgnorePreferredTermsOfExistingPods = 9, true
			a.RequiredAffinityDuringMigration, a.EvacuationTaints = config.AffinityRequired, []string{"x"}
		}),
	} {
		t.Run(name, func(t *testing.T) { checkRoundTrip(t, &want, cmpopts.EquateEmpty()) })
	}
}

func TestVMAffinityArgsDeepCopy(t *testing.T) {
	fresh := func() *v1.VMAffinityArgs {
		args := &v1.VMAffinityArgs{}
		v1.SetDefaultsVMAffinityArgs(args)
		return args
	}
	original := fresh()
	copied := original.DeepCopy()
	*copied.HardPodAffinityWeight, *copied.IgnorePreferredTermsOfExistingPods = 7, true
	*copied.RequiredAffinityDuringMigration, copied.EvacuationTaints[0] = "x", "x"
	if diff := cmp.Diff(fresh(), original); diff != "" {
		t.Errorf("changing a copy changed the original (-want +got):\n%s", diff)
	}
	internal := affinityDefaults(nil)
	internal.DeepCopy().EvacuationTaints[0] = "x"
	if diff := cmp.Diff(affinityDefaults(nil), internal); diff != "" {
		t.Errorf("changing a copy changed the original (-want +got):\n%s", diff)
	}
}
