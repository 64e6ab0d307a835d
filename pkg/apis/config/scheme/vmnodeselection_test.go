// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package scheme

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config/validation"
)

var selectionDefaults = config.VMNodeSelectionArgs{HeartbeatTolerance: 180 * time.Second, MigratabilitySaturation: 3}

func TestLoadVMNodeSelectionArgs(t *testing.T) {
	tests := map[string]struct {
		args string
		want config.VMNodeSelectionArgs
	}{
		"defaults":                 {args: `{}`, want: selectionDefaults},
		"with apiVersion and kind": {args: `{apiVersion: kubescheduler.config.k8s.io/v1, kind: VMNodeSelectionArgs}`, want: selectionDefaults},
		"all set": {
			args: `{heartbeatTolerance: 5m, requirePublished: true, migratabilitySaturation: 7}`,
			want: config.VMNodeSelectionArgs{HeartbeatTolerance: 5 * time.Minute, RequirePublished: true, MigratabilitySaturation: 7},
		},
		"some set, the others by default": {
			args: `{migratabilitySaturation: 1}`,
			want: config.VMNodeSelectionArgs{HeartbeatTolerance: 180 * time.Second, MigratabilitySaturation: 1},
		},
		"zero is not absent": {args: `{heartbeatTolerance: 0s, migratabilitySaturation: 0}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, "VMNodeSelection", tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreTypes(metav1.TypeMeta{})); diff != "" {
				t.Errorf("loaded arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVMNodeSelectionDefaultsAreValid(t *testing.T) {
	if err := validation.ValidateVMNodeSelectionArgs(field.NewPath("args"), &selectionDefaults); err != nil {
		t.Error(err)
	}
}

func TestLoadVMNodeSelectionArgsIsStrict(t *testing.T) {
	checkRefused(t, "VMNodeSelection", map[string]refusal{
		"unknown field":           {`{tolerance: 180s}`, `strict decoding error: unknown field "tolerance"`},
		"a field twice":           {`{requirePublished: true, requirePublished: false}`, `key "requirePublished" already set in map`},
		"a number for a duration": {`{heartbeatTolerance: 180}`, `cannot unmarshal number`},
		"a string for a truth":    {`{requirePublished: "true"}`, `cannot unmarshal string`},
	})
}

// What --write-config-to writes can be read again and means the same.
func TestVMNodeSelectionArgsRoundTrip(t *testing.T) {
	for name, want := range map[string]config.VMNodeSelectionArgs{
		"defaults": selectionDefaults, "zero": {}, "some": {HeartbeatTolerance: time.Hour, RequirePublished: true, MigratabilitySaturation: 9},
	} {
		t.Run(name, func(t *testing.T) { checkRoundTrip(t, &want) })
	}
}

func TestVMNodeSelectionArgsDeepCopy(t *testing.T) {
	fresh := func() *v1.VMNodeSelectionArgs {
		args := &v1.VMNodeSelectionArgs{}
		v1.SetDefaultsVMNodeSelectionArgs(args)
		return args
	}
	original := fresh()
	copied := original.DeepCopy()
	copied.HeartbeatTolerance.Duration, *copied.RequirePublished, *copied.MigratabilitySaturation = 7, true, 7
	if diff := cmp.Diff(fresh(), original); diff != "" {
		t.Errorf("changing a copy changed the original (-want +got):\n%s", diff)
	}
}
