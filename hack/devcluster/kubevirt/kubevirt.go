// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubevirt fits what virt-operator would install to a cluster without
// containers: virt-api is a process on a port of 127.0.0.1, not a Service. It
// changes objects and talks to no API server.
package kubevirt

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Objects are what is applied, in the order of the fields.
type Objects struct {
	CRDs []*unstructured.Unstructured
	// Base are RBAC, PriorityClass, ConfigMaps and Services.
	Base []*unstructured.Unstructured
	// CR is the KubeVirt resource; Status goes to its status subresource. Without
	// a phase virt-api and virt-controller would ignore it.
	CR, Status *unstructured.Unstructured
	// Endpoints are webhook configurations and APIServices. They are for the time
	// when virt-api answers.
	Endpoints []*unstructured.Unstructured
}

// VirtAPI says where virt-api answers, and who signed its certificate.
type VirtAPI struct {
	Port int
	CA   []byte
}

// caConfigMapKey is where KubeVirt looks for a CA bundle in its ConfigMaps.
const caConfigMapKey = "ca-bundle"

// Parse reads the output of kubevirt-install and fits it.
func Parse(raw []byte, namespace, version string, api VirtAPI) (*Objects, error) {
	var list unstructured.UnstructuredList
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("output of kubevirt-install: %w", err)
	}
	objects := &Objects{CR: customResource(namespace, nil), Status: customResource(namespace, status(version))}
	for i := range list.Items {
		if err := objects.add(&list.Items[i], api); err != nil {
			return nil, fmt.Errorf("%s %s: %w", list.Items[i].GetKind(), list.Items[i].GetName(), err)
		}
	}
	if len(objects.CRDs) == 0 || len(objects.Endpoints) == 0 {
		return nil, fmt.Errorf("output of kubevirt-install: %d CRDs and %d webhooks and APIServices, want some of each",
			len(objects.CRDs), len(objects.Endpoints))
	}
	return objects, nil
}

func (o *Objects) add(object *unstructured.Unstructured, api VirtAPI) error {
	unstructured.RemoveNestedField(object.Object, "status")
	switch object.GetKind() {
	case "CustomResourceDefinition":
		o.CRDs = append(o.CRDs, object)
	case "ConfigMap":
		if err := unstructured.SetNestedField(object.Object, string(api.CA), "data", caConfigMapKey); err != nil {
			return err
		}
		o.Base = append(o.Base, object)
	case "Service":
		if object.GetName() != "virt-api" {
			return nil // nobody would answer
		}
		o.Base = append(o.Base, externalService(object))
	case "APIService":
		if err := fitAPIService(object, api); err != nil {
			return err
		}
		o.Endpoints = append(o.Endpoints, object)
	case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		if !servedByVirtAPI(object.GetName()) {
			return nil
		}
		if err := fitWebhooks(object, api); err != nil {
			return err
		}
		o.Endpoints = append(o.Endpoints, object)
	default:
		o.Base = append(o.Base, object)
	}
	return nil
}

// servedByVirtAPI leaves out virt-operator's own webhook (there is no
// virt-operator) and the one that virt-operator installs only with the feature
// gate ContainerPathVolumes.
func servedByVirtAPI(name string) bool {
	return name == "virt-api-validator" || name == "virt-api-mutator"
}

// externalService replaces a Service's selector by an external name: endpoints
// may not hold 127.0.0.1.
func externalService(object *unstructured.Unstructured) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Service",
		"metadata":   map[string]any{"name": object.GetName(), "namespace": object.GetNamespace()},
		"spec":       map[string]any{"type": "ExternalName", "externalName": "localhost"},
	}}
}

func fitAPIService(object *unstructured.Unstructured, api VirtAPI) error {
	if err := unstructured.SetNestedField(object.Object, int64(api.Port), "spec", "service", "port"); err != nil {
		return err
	}
	return unstructured.SetNestedField(object.Object, base64.StdEncoding.EncodeToString(api.CA), "spec", "caBundle")
}

// fitWebhooks puts a URL in place of each webhook's Service.
func fitWebhooks(object *unstructured.Unstructured, api VirtAPI) error {
	webhooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
	if err != nil {
		return err
	}
	for i := range webhooks {
		webhook, ok := webhooks[i].(map[string]any)
		if !ok {
			return fmt.Errorf("webhooks[%d] is a %T, want an object", i, webhooks[i])
		}
		path, _, err := unstructured.NestedString(webhook, "clientConfig", "service", "path")
		if err != nil {
			return fmt.Errorf("webhooks[%d]: %w", i, err)
		}
		webhook["clientConfig"] = map[string]any{
			"url":      fmt.Sprintf("https://127.0.0.1:%d/%s", api.Port, strings.TrimPrefix(path, "/")),
			"caBundle": base64.StdEncoding.EncodeToString(api.CA),
		}
	}
	return unstructured.SetNestedSlice(object.Object, webhooks, "webhooks")
}

func customResource(namespace string, status map[string]any) *unstructured.Unstructured {
	cr := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kubevirt.io/v1",
		"kind":       "KubeVirt",
		"metadata":   map[string]any{"name": "kubevirt", "namespace": namespace},
	}}
	if status == nil {
		cr.Object["spec"] = map[string]any{}
	} else {
		cr.Object["status"] = status
	}
	return cr
}

// status is what virt-operator writes when it is done.
func status(version string) map[string]any {
	return map[string]any{
		"phase":                   "Deployed",
		"defaultArchitecture":     "amd64",
		"observedKubeVirtVersion": version,
		"targetKubeVirtVersion":   version,
		"operatorVersion":         version,
		"conditions": []any{
			map[string]any{"type": "Available", "status": "True", "reason": "AllComponentsReady", "message": "set up by devcluster"},
		},
	}
}
