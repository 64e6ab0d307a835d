// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// OnCreate makes the creation of objects of a custom resource, by clients of RESTConfig, be decided about from now on, as a webhook does: an error
// refuses it. Its answer is waited for.
func (a *API) OnCreate(gvr schema.GroupVersionResource, admit func(metav1.Object) error) {
	a.collectionOf(gvr) // which is served
	a.custom.mu.Lock()
	defer a.custom.mu.Unlock()
	for _, r := range a.custom.resources {
		if r.gvr == gvr {
			r.admit = admit
		}
	}
}

// inNamespace answers requests about one object, or its creation: /apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE[/NAME].
func (c *customAPI) inNamespace(request *http.Request, parts []string) (*http.Response, error) {
	var found *resource
	var admit func(metav1.Object) error
	c.mu.Lock()
	for _, r := range c.resources {
		if len(parts) >= 6 && r.gvr.Group == parts[1] && r.gvr.Version == parts[2] && r.gvr.Resource == parts[5] {
			found, admit = r, r.admit
		}
	}
	c.mu.Unlock()
	switch {
	case found == nil:
		return refusal(request), nil
	case request.Method == http.MethodPost && len(parts) == 6:
		return found.create(request, parts[4], admit)
	case request.Method == http.MethodGet && len(parts) == 7:
		if o, ok := found.collection.get(parts[4], parts[6]); ok {
			return answer(request, o), nil
		}
	case request.Method == http.MethodDelete && len(parts) == 7:
		return found.delete(request, parts[4], parts[6])
	}
	return refusal(request), nil
}

// create stores what it is given, with a UID; of a name that is there already it says so.
func (r *resource) create(request *http.Request, namespace string, admit func(metav1.Object) error) (*http.Response, error) {
	o := &unstructured.Unstructured{}
	if err := json.NewDecoder(request.Body).Decode(&o.Object); err != nil {
		return nil, err
	}
	o.SetNamespace(namespace)
	if admit != nil {
		if err := admit(o); err != nil {
			return respond(request, http.StatusForbidden, status(http.StatusForbidden, metav1.StatusReasonForbidden, err.Error())), nil
		}
	}
	o.SetUID(types.UID(r.gvr.Resource + "-" + strconv.Itoa(r.collection.next())))
	o.SetCreationTimestamp(metav1.Now())
	if !r.collection.add(o) {
		return respond(request, http.StatusConflict, status(http.StatusConflict, metav1.StatusReasonAlreadyExists, o.GetName()+" exists")), nil
	}
	return respond(request, http.StatusCreated, o), nil
}

// delete removes an object, if it is the one that is meant.
func (r *resource) delete(request *http.Request, namespace, name string) (*http.Response, error) {
	var options metav1.DeleteOptions
	if request.Body != nil {
		if err := json.NewDecoder(request.Body).Decode(&options); err != nil {
			return nil, err
		}
	}
	o, ok := r.collection.get(namespace, name)
	if !ok {
		return refusal(request), nil
	}
	if p := options.Preconditions; p != nil && p.UID != nil && *p.UID != o.GetUID() {
		return respond(request, http.StatusConflict, status(http.StatusConflict, metav1.StatusReasonConflict, "another "+name)), nil
	}
	r.collection.remove(namespace, name)
	return answer(request, &metav1.Status{Status: metav1.StatusSuccess}), nil
}

func status(code int32, reason metav1.StatusReason, message string) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: "simulated API: " + message,
	}
}

// next returns the version that the collection has after the next change.
func (c *collection) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version() + 1
}

// add stores an object unless there is one of its name.
func (c *collection) add(o object) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.objects[key(o.GetNamespace(), o.GetName())]; ok {
		return false
	}
	c.setLocked(o)
	return true
}
