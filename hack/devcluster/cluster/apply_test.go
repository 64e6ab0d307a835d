// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadManifests(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"00-namespace.yaml": "# licence\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: b}\n",
		"rbac.yaml":         "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: c}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := readManifests(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objects {
		got = append(got, o.GetKind()+" "+o.GetName())
	}
	if diff := cmp.Diff([]string{"Namespace a", "ServiceAccount b", "ClusterRole c"}, got); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}

	if _, err := readManifests(filepath.Join(dir, "*.json")); err == nil {
		t.Error("a pattern without files is no error")
	}
	if err := os.WriteFile(filepath.Join(dir, "broken.yaml"), []byte("a: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readManifests(filepath.Join(dir, "*.yaml")); err == nil || !strings.Contains(err.Error(), "broken.yaml") {
		t.Errorf("error = %v, want one that names the broken file", err)
	}
}
