// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// beyond is what the manifest grants and the watcher does not ask for at start: the metrics endpoint needs it, off loopback.
var beyond = []string{
	"create tokenreviews.authentication.k8s.io",
	"create subjectaccessreviews.authorization.k8s.io",
}

// The manifest grants what the watcher asks for at start, and nothing else.
func TestManifestGrantsExactlyThePermissions(t *testing.T) {
	cfg, err := failurev1alpha1.Load([]byte(head + `
fencing:
  redfish:
  - {nodeName: node-1, endpoint: "https://bmc", systemID: "1", credentialsSecret: s}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(beyond)
	for _, p := range permissions(cfg) {
		want = append(want, attributes(p))
	}
	data, err := os.ReadFile("../../../manifests/base/rbac-watcher.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
		// A ClusterRole decodes into a Role without a namespace.
		var role rbacv1.Role
		if err := yaml.Unmarshal(document, &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind == "Role" || role.Kind == "ClusterRole" {
			got = append(got, granted(role)...)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifests/base/rbac-watcher.yaml (-needed +granted):\n%s", diff)
	}
}

func granted(role rbacv1.Role) []string {
	var all []string
	for _, rule := range role.Rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						text := verb + " " + resource
						if group != "" {
							text += "." + group
						}
						if name != "" {
							text += " " + name
						}
						if role.Namespace != "" {
							text += " in namespace " + role.Namespace
						}
						all = append(all, text)
					}
				}
			}
		}
	}
	return all
}
