// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// fieldManager is the owner of what devcluster applies.
const fieldManager = "devcluster"

// applier creates and changes objects of any kind.
type applier struct {
	client dynamic.Interface
	// refresh serialises the look-up of kinds that a CRD has just brought.
	refresh sync.Mutex
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func newApplier(config *rest.Config) (*applier, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &applier{
		client: client,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
	}, nil
}

// resource returns the endpoint of the object's kind in its namespace.
func (a *applier) resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := object.GroupVersionKind()
	a.refresh.Lock()
	mapping, err := a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	a.refresh.Unlock()
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return a.client.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
	}
	return a.client.Resource(mapping.Resource), nil
}

// apply makes the object as given, by server-side apply.
func (a *applier) apply(ctx context.Context, object *unstructured.Unstructured, subresources ...string) error {
	resource, err := a.resource(object)
	if err == nil {
		var raw []byte
		if raw, err = object.MarshalJSON(); err != nil {
			return err
		}
		force := true
		_, err = resource.Patch(ctx, object.GetName(), types.ApplyPatchType, raw,
			metav1.PatchOptions{FieldManager: fieldManager, Force: &force}, subresources...)
	}
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// applyAll applies objects, a few at once. Their order must not matter.
func (a *applier) applyAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	const atOnce = 8
	slots := make(chan struct{}, atOnce)
	errs := make([]error, len(objects))
	var wg sync.WaitGroup
	for i, object := range objects {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = a.apply(ctx, object)
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// awaitCRDs waits until the API server serves the CRDs' kinds.
func (a *applier) awaitCRDs(ctx context.Context, crds []*unstructured.Unstructured) error {
	for _, crd := range crds {
		resource, err := a.resource(crd)
		if err != nil {
			return err
		}
		if err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			live, err := resource.Get(ctx, crd.GetName(), metav1.GetOptions{})
			return err == nil && hasCondition(live, "Established"), nil
		}); err != nil {
			return fmt.Errorf("CRD %s is not established: %w", crd.GetName(), err)
		}
	}
	a.refresh.Lock()
	a.mapper.Reset()
	a.refresh.Unlock()
	return nil
}

func hasCondition(object *unstructured.Unstructured, kind string) bool {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if ok && condition["type"] == kind && condition["status"] == "True" {
			return true
		}
	}
	return false
}

// readManifests decodes the YAML files that match a pattern, in their order.
func readManifests(pattern string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no manifest matches %s", pattern)
	}
	var objects []*unstructured.Unstructured
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		more, err := decodeYAML(raw)
		if err != nil {
			return nil, fmt.Errorf("manifest %s: %w", file, err)
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

func decodeYAML(raw []byte) ([]*unstructured.Unstructured, error) {
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	var objects []*unstructured.Unstructured
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
