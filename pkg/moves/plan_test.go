// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What a migration says of itself is read again as it was written.
func TestPurposeOf(t *testing.T) {
	whole := purpose{
		preemptor: preemptor{types.NamespacedName{Namespace: namespace, Name: "p"}, "p-uid"}, node: "n", vmi: "a-uid", timeout: 10 * time.Minute,
	}
	withDefault := whole
	withDefault.timeout = DefaultTimeout
	tests := map[string]struct {
		change func(*migrationObject)
		want   *purpose
	}{
		"as it is":              {func(*migrationObject) {}, &whole},
		"no label":              {func(m *migrationObject) { delete(m.Labels, PreemptorLabel) }, nil},
		"no preemptor":          {func(m *migrationObject) { delete(m.Annotations, PreemptorAnnotation) }, nil},
		"no node":               {func(m *migrationObject) { delete(m.Annotations, NodeAnnotation) }, nil},
		"no VM":                 {func(m *migrationObject) { delete(m.Annotations, VMIAnnotation) }, nil},
		"copied":                {func(m *migrationObject) { m.Name = "a-copy" }, nil},
		"another VM's":          {func(m *migrationObject) { m.Annotations[VMIAnnotation] = "b-uid" }, nil},
		"no timeout":            {func(m *migrationObject) { delete(m.Annotations, TimeoutAnnotation) }, &withDefault},
		"a timeout that is bad": {func(m *migrationObject) { m.Annotations[TimeoutAnnotation] = "-1s" }, &withDefault},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMigration("p", "n", "a").Obj()
			tc.change(m)
			got := purposeOf(m)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(purpose{}, preemptor{})); diff != "" {
				t.Errorf("purposeOf() (-want +got):\n%s", diff)
			}
		})
	}
}

// Names are such as the API server takes, and KubeVirt as a value of labels.
func TestNames(t *testing.T) {
	const uid = types.UID("6a9f1c1e-0000-4000-8000-000000000001")
	for _, attempt := range []int{1, 2, 999} {
		name := nameOf(uid, attempt)
		if got := attemptIn(name, uid); got != attempt {
			t.Errorf("attempt %d in %q, want %d", got, name, attempt)
		}
		if wrong := append(validation.IsDNS1123Subdomain(name), validation.IsValidLabelValue(name)...); len(wrong) > 0 {
			t.Errorf("%q: %v", name, wrong)
		}
	}
	if got := attemptIn("something", uid); got != 1 {
		t.Errorf("attempt %d in a name that has none, want 1", got)
	}
}

// Of what has ended and is not ours hardly anything is kept: there are five for each VM.
func TestKeep(t *testing.T) {
	kept, err := keep(foreign("f", "a").Phase(failed).From("n", "pod").Obj())
	if err != nil {
		t.Fatal(err)
	}
	want := &migration{ObjectMeta: kept.(*migration).ObjectMeta, phase: failed}
	if diff := cmp.Diff(want, kept, cmp.AllowUnexported(migration{})); diff != "" || want.Name != "f" || want.UID != "f" {
		t.Errorf("kept of what has ended (-want +got):\n%s", diff)
	}
	m, err := keep(kept)
	if err != nil || m != kept {
		t.Errorf("what was kept is changed by keeping it again: %v, %v", m, err)
	}
}
