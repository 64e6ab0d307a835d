// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func TestRecordsAreThoseSinceTheFailure(t *testing.T) {
	cut := time.Date(2026, 1, 1, 12, 0, 0, 700_000_000, time.UTC)
	var objects []client.Object
	for name, at := range map[string]time.Time{
		"earlier": cut.Add(-time.Second), "late": cut.Add(9 * time.Second), "next": cut.Add(2 * time.Second), "same-second": cut,
	} {
		objects = append(objects, &failurev1alpha1.NodeFailure{ObjectMeta: metav1.ObjectMeta{
			Name: name, CreationTimestamp: metav1.NewTime(at.Truncate(time.Second)),
		}})
	}
	records, err := testWorld(t, objects...).records(t.Context(), cut)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, nf := range records {
		got = append(got, nf.Name)
	}
	if diff := cmp.Diff([]string{"same-second", "next", "late"}, got); diff != "" {
		t.Errorf("records() (-want +got):\n%s", diff)
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
