// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"testing"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

func testWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{storagev1.AddToScheme, failurev1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return &world{client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()}
}

func TestRecordIsThatOfThisFailure(t *testing.T) {
	cut := time.Date(2026, 1, 1, 12, 0, 0, 700_000_000, time.UTC)
	nf := func(name, node string, at time.Time) *failurev1alpha1.NodeFailure {
		return &failurev1alpha1.NodeFailure{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(at.Truncate(time.Second))},
			Spec:       failurev1alpha1.NodeFailureSpec{NodeName: node},
		}
	}
	tests := map[string]struct {
		objects []client.Object
		want    string // empty: none
	}{
		"none":                   {},
		"of another node":        {objects: []client.Object{nf("a", "n2", cut.Add(time.Second))}},
		"of an earlier failure":  {objects: []client.Object{nf("a", "n1", cut.Add(-time.Minute))}},
		"in the second it began": {objects: []client.Object{nf("a", "n1", cut)}, want: "a"},
		"the newest": {
			objects: []client.Object{nf("a", "n1", cut.Add(2*time.Second)), nf("b", "n1", cut.Add(9*time.Second))}, want: "b",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := testWorld(t, tc.objects...).record(t.Context(), "n1", cut)
			if err != nil {
				t.Fatal(err)
			}
			if (got == nil) != (tc.want == "") || got != nil && got.Name != tc.want {
				t.Errorf("record() = %v, want %q", got, tc.want)
			}
		})
	}
}

func TestStorageClassIsFoundByItsProvisioner(t *testing.T) {
	class := func(name, provisioner string) *storagev1.StorageClass {
		return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner}
	}
	tests := map[string]struct {
		objects []client.Object
		want    string
	}{
		"none":    {},
		"another": {objects: []client.Object{class("a", "example.com/x")}},
		"ours":    {objects: []client.Object{class("a", "example.com/x"), class("b", provisioner)}, want: "b"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := testWorld(t, tc.objects...).storageClass(t.Context())
			if err != nil || got != tc.want {
				t.Errorf("storageClass() = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}
