// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package kubevirt

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func object(kind, name string, more map[string]any) map[string]any {
	o := map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name, "namespace": "kubevirt"}}
	maps.Copy(o, more)
	return o
}

func list(t *testing.T, objects ...map[string]any) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func webhooks(paths ...string) map[string]any {
	var out []any
	for _, path := range paths {
		out = append(out, map[string]any{
			"name":         "w",
			"clientConfig": map[string]any{"service": map[string]any{"name": "virt-api", "namespace": "kubevirt", "path": path}},
		})
	}
	return map[string]any{"webhooks": out}
}

func TestParse(t *testing.T) {
	api := VirtAPI{Port: 4711, CA: []byte("PEM")}
	objects, err := Parse(list(t,
		object("CustomResourceDefinition", "virtualmachines.kubevirt.io", map[string]any{"status": map[string]any{"conditions": nil}}),
		object("ClusterRole", "kubevirt-controller", nil),
		object("ConfigMap", "kubevirt-ca", nil),
		object("Service", "virt-api", map[string]any{"spec": map[string]any{"selector": map[string]any{"a": "b"}}}),
		object("Service", "virt-exportproxy", nil),
		object("APIService", "v1.subresources.kubevirt.io", map[string]any{"spec": map[string]any{"service": map[string]any{"name": "virt-api"}}}),
		object("ValidatingWebhookConfiguration", "virt-api-validator", webhooks("/pod-eviction-validate", "/vm-validate")),
		object("MutatingWebhookConfiguration", "virt-api-mutator", webhooks("vm-mutate")),
		object("ValidatingWebhookConfiguration", "virt-operator-validator", webhooks("/kubevirt-validate")),
	), "kubevirt", "v1.8.2", api)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"virtualmachines.kubevirt.io"}, names(objects.CRDs)); diff != "" {
		t.Errorf("CRDs (-want +got):\n%s", diff)
	}
	if _, ok := objects.CRDs[0].Object["status"]; ok {
		t.Error("a CRD has kept its status")
	}
	if diff := cmp.Diff([]string{"kubevirt-controller", "kubevirt-ca", "virt-api"}, names(objects.Base)); diff != "" {
		t.Errorf("base (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"v1.subresources.kubevirt.io", "virt-api-validator", "virt-api-mutator"}, names(objects.Endpoints)); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	ca := base64.StdEncoding.EncodeToString(api.CA)
	want := []any{
		map[string]any{"name": "w", "clientConfig": map[string]any{"url": "https://127.0.0.1:4711/pod-eviction-validate", "caBundle": ca}},
		map[string]any{"name": "w", "clientConfig": map[string]any{"url": "https://127.0.0.1:4711/vm-validate", "caBundle": ca}},
	}
	if diff := cmp.Diff(want, objects.Endpoints[1].Object["webhooks"]); diff != "" {
		t.Errorf("webhooks (-want +got):\n%s", diff)
	}
	if got, _, _ := unstructured.NestedInt64(objects.Endpoints[0].Object, "spec", "service", "port"); got != 4711 {
		t.Errorf("port of the APIService = %d, want 4711", got)
	}
	if got, _, _ := unstructured.NestedString(objects.Base[2].Object, "spec", "type"); got != "ExternalName" {
		t.Errorf("type of the Service = %q, want ExternalName", got)
	}
	if got, _, _ := unstructured.NestedString(objects.Status.Object, "status", "phase"); got != "Deployed" {
		t.Errorf("phase of the KubeVirt resource = %q, want Deployed", got)
	}
}

func TestParseRefusesWhatCannotWork(t *testing.T) {
	for want, raw := range map[string]string{
		"output of kubevirt-install: invalid": "panic: something",
		"0 CRDs and 0 webhooks":               string(list(t)),
		"webhooks[0] is a string":             string(list(t, object("MutatingWebhookConfiguration", "virt-api-mutator", map[string]any{"webhooks": []any{"text"}}))),
	} {
		t.Run(want, func(t *testing.T) {
			if _, err := Parse([]byte(raw), "kubevirt", "v1.8.2", VirtAPI{}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want one with %q", err, want)
			}
		})
	}
}

func names(objects []*unstructured.Unstructured) []string {
	var out []string
	for _, o := range objects {
		out = append(out, o.GetName())
	}
	return out
}
