// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package scheme

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
)

func taintDefaults(change func(*config.VMTaintTolerationArgs)) config.VMTaintTolerationArgs {
	args := config.VMTaintTolerationArgs{
		EvacuationTaints: []string{
			"kubevirt.io/drain", "virt-scheduler.io/node-failure", "node.kubernetes.io/out-of-service",
			"node.cloudprovider.kubernetes.io/shutdown", "medik8s.io/*", "remediation.medik8s.io/*",
		},
		ToleratedTaintWeight:        25,
		PreferNoScheduleTaintWeight: 50,
	}
	for _, c := range []struct {
		types  string
		weight int64
	}{
		{"MemoryPressure DiskPressure PIDPressure NetworkUnavailable", 100},
		{"KernelDeadlock ReadonlyFilesystem XfsShutdown CperHardwareErrorFatal DiskBadBlock KubeletUnhealthy ContainerRuntimeUnhealthy", 100},
		{"FrequentKubeletRestart FrequentContainerdRestart FrequentDockerRestart FrequentUnregisterNetDevice CorruptDockerOverlay2", 50},
		{"NTPProblem", 25},
	} {
		for t := range strings.FieldsSeq(c.types) {
			args.AdverseConditions = append(args.AdverseConditions,
				config.AdverseCondition{Type: corev1.NodeConditionType(t), Status: corev1.ConditionTrue, Weight: c.weight})
		}
	}
	if change != nil {
		change(&args)
	}
	return args
}

func TestLoadVMTaintTolerationArgs(t *testing.T) {
	tests := map[string]struct {
		args string
		want config.VMTaintTolerationArgs
	}{
		"defaults": {args: `{}`, want: taintDefaults(nil)},
		"with apiVersion and kind": {
			args: `{apiVersion: kubescheduler.config.k8s.io/v1, kind: VMTaintTolerationArgs}`, want: taintDefaults(nil),
		},
		"empty lists are not absent": {
			args: `{evacuationTaints: [], adverseConditions: [], ignoredTaints: []}`,
			want: taintDefaults(func(a *config.VMTaintTolerationArgs) { a.EvacuationTaints, a.AdverseConditions = nil, nil }),
		},
		"zero is not absent": {
			args: `{shortestToleration: 0s, toleratedTaintWeight: 0, preferNoScheduleTaintWeight: 0}`,
			want: taintDefaults(func(a *config.VMTaintTolerationArgs) {
				a.ShortestToleration, a.ToleratedTaintWeight, a.PreferNoScheduleTaintWeight = new(time.Duration), 0, 0
			}),
		},
		"all set": {
			args: `{evacuationTaints: [example.com/leave], shortestToleration: 24h, toleratedTaintWeight: 1, preferNoScheduleTaintWeight: 2,
			  ignoredTaints: [example.com/*], adverseConditions: [{type: A}, {type: B, status: Unknown, weight: 3}]}`,
			want: config.VMTaintTolerationArgs{
				EvacuationTaints: []string{"example.com/leave"}, ShortestToleration: func() *time.Duration { d := 24 * time.Hour; return &d }(),
				ToleratedTaintWeight: 1, PreferNoScheduleTaintWeight: 2, IgnoredTaints: []string{"example.com/*"},
				AdverseConditions: []config.AdverseCondition{
					{Type: "A", Status: corev1.ConditionTrue, Weight: 100}, {Type: "B", Status: corev1.ConditionUnknown, Weight: 3},
				},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, "VMTaintToleration", tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreTypes(metav1.TypeMeta{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("loaded arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVMTaintTolerationDefaultsAreValid(t *testing.T) {
	args := taintDefaults(nil)
	if err := validation.ValidateVMTaintTolerationArgs(field.NewPath("args"), &args); err != nil {
		t.Error(err)
	}
}

func TestLoadVMTaintTolerationArgsIsStrict(t *testing.T) {
	checkRefused(t, "VMTaintToleration", map[string]refusal{
		"unknown field":                {`{noSuchField: 1}`, `strict decoding error: unknown field "noSuchField"`},
		"unknown field of a condition": {`{adverseConditions: [{name: A}]}`, `strict decoding error: unknown field "adverseConditions[0].name"`},
		"a field twice":                {`{toleratedTaintWeight: 1, toleratedTaintWeight: 2}`, `key "toleratedTaintWeight" already set in map`},
		"a number for a duration":      {`{shortestToleration: 300}`, `cannot unmarshal number`},
	})
}

// What --write-config-to writes can be read again and means the same, also where it says "none".
func TestVMTaintTolerationArgsRoundTrip(t *testing.T) {
	for name, want := range map[string]config.VMTaintTolerationArgs{
		"defaults": taintDefaults(nil),
		"none":     {},
		"some": taintDefaults(func(a *config.VMTaintTolerationArgs) {
			a.ShortestToleration, a.IgnoredTaints = new(time.Duration), []string{"x"}
			a.AdverseConditions = a.AdverseConditions[:1]
		}),
	} {
		t.Run(name, func(t *testing.T) { checkRoundTrip(t, &want, cmpopts.EquateEmpty()) })
	}
}

func TestVMTaintTolerationArgsDeepCopy(t *testing.T) {
	fresh := func() *v1.VMTaintTolerationArgs {
		args := &v1.VMTaintTolerationArgs{ShortestToleration: &metav1.Duration{Duration: time.Hour}, IgnoredTaints: []string{"a"}}
		v1.SetDefaultsVMTaintTolerationArgs(args)
		return args
	}
	original := fresh()
	copied := original.DeepCopy()
	copied.EvacuationTaints[0], copied.IgnoredTaints[0], copied.ShortestToleration.Duration = "x", "x", 0
	*copied.ToleratedTaintWeight, *copied.PreferNoScheduleTaintWeight = 7, 7
	*copied.AdverseConditions[0].Status, *copied.AdverseConditions[0].Weight, copied.AdverseConditions[1].Type = "x", 7, "x"
	if diff := cmp.Diff(fresh(), original); diff != "" {
		t.Errorf("changing a copy changed the original (-want +got):\n%s", diff)
	}
	withTime := func(a *config.VMTaintTolerationArgs) {
		a.ShortestToleration, a.IgnoredTaints = new(time.Duration), []string{"a"}
	}
	internal := taintDefaults(withTime)
	internalCopy := internal.DeepCopy()
	internalCopy.EvacuationTaints[0], internalCopy.IgnoredTaints[0], *internalCopy.ShortestToleration = "x", "x", 7
	internalCopy.AdverseConditions[0].Weight = 7
	if diff := cmp.Diff(taintDefaults(withTime), internal); diff != "" {
		t.Errorf("changing a copy changed the original (-want +got):\n%s", diff)
	}
}
