// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package scheme

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	upstreamscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"

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
	for name, tc := range map[string]struct{ args, want string }{
		"unknown field":           {`{tolerance: 180s}`, `strict decoding error: unknown field "tolerance"`},
		"a field twice":           {`{requirePublished: true, requirePublished: false}`, `key "requirePublished" already set in map`},
		"a number for a duration": {`{heartbeatTolerance: 180}`, `cannot unmarshal number`},
		"a string for a truth":    {`{requirePublished: "true"}`, `cannot unmarshal string`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, "VMNodeSelection", tc.args)
			if err == nil {
				t.Fatalf("loaded as %+v, want an error", got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want it to contain %q", err, tc.want)
			}
		})
	}
}

// What --write-config-to writes can be read again and means the same.
func TestVMNodeSelectionArgsRoundTrip(t *testing.T) {
	for name, want := range map[string]config.VMNodeSelectionArgs{
		"defaults": selectionDefaults, "zero": {}, "some": {HeartbeatTolerance: time.Hour, RequirePublished: true, MigratabilitySaturation: 9},
	} {
		t.Run(name, func(t *testing.T) {
			for _, scheme := range []*runtime.Scheme{upstreamscheme.Scheme, own()} {
				versioned, err := scheme.ConvertToVersion(want.DeepCopy(), v1.SchemeGroupVersion)
				if err != nil {
					t.Fatal(err)
				}
				copied := versioned.DeepCopyObject()
				scheme.Default(copied)
				back, err := scheme.ConvertToVersion(copied, config.SchemeGroupVersion)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(&want, back, cmpopts.IgnoreTypes(metav1.TypeMeta{})); diff != "" {
					t.Errorf("after the round trip (-want +got):\n%s", diff)
				}
			}
		})
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
