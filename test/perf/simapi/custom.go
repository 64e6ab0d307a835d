// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// resource is a custom resource that the simulated API serves.
type resource struct {
	gvr        schema.GroupVersionResource
	kind       string
	collection *collection
	// admit, if set, may refuse an object that is created.
	admit func(metav1.Object) error
}

// customAPI serves custom resources to clients that are made from a rest.Config, as the plugins' own informers are:
// HTTP and JSON without a network. Discovery of a group version, list and watch is all that it knows, and what custom_write.go does.
type customAPI struct {
	mu        sync.Mutex
	resources []*resource
}

func (c *customAPI) config() *rest.Config {
	// No limit of requests: how fast one may ask is no question in here.
	return &rest.Config{Host: "http://simapi.invalid", Transport: c, QPS: -1}
}

func (c *customAPI) serve(gvr schema.GroupVersionResource, kind string) *collection {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &resource{gvr: gvr, kind: kind, collection: newCollection()}
	c.resources = append(c.resources, r)
	return r.collection
}

// RoundTrip answers a request.
func (c *customAPI) RoundTrip(request *http.Request) (*http.Response, error) {
	// /apis/GROUP/VERSION and /apis/GROUP/VERSION/RESOURCE
	parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	if len(parts) > 4 && parts[3] == "namespaces" {
		return c.inNamespace(request, parts)
	}
	if request.Method != http.MethodGet || len(parts) < 3 || len(parts) > 4 || parts[0] != "apis" {
		return refusal(request), nil
	}
	var found []*resource
	c.mu.Lock()
	for _, r := range c.resources {
		if r.gvr.Group == parts[1] && r.gvr.Version == parts[2] && (len(parts) == 3 || r.gvr.Resource == parts[3]) {
			found = append(found, r)
		}
	}
	c.mu.Unlock()
	query := request.URL.Query()
	switch {
	case len(found) == 0:
		return refusal(request), nil
	case len(parts) == 3:
		return answer(request, discovered(found)), nil
	case query.Get("watch") != "":
		return found[0].watch(request, query.Get("resourceVersion"), query.Get("sendInitialEvents") == "true"), nil
	}
	return answer(request, found[0].list()), nil
}

func discovered(found []*resource) *metav1.APIResourceList {
	list := &metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"},
		GroupVersion: found[0].gvr.GroupVersion().String(),
	}
	for _, r := range found {
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: r.gvr.Resource, Kind: r.kind, Verbs: metav1.Verbs{"get", "list", "watch"}})
	}
	return list
}

func (r *resource) list() any {
	objects, version := r.collection.list()
	return struct {
		metav1.TypeMeta `json:",inline"`
		metav1.ListMeta `json:"metadata"`
		Items           []object `json:"items"`
	}{
		TypeMeta: metav1.TypeMeta{APIVersion: r.gvr.GroupVersion().String(), Kind: r.kind + "List"},
		ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(version)},
		Items:    objects,
	}
}

func (r *resource) watch(request *http.Request, resourceVersion string, initial bool) *http.Response {
	body := &watchBody{collection: r.collection, closed: make(chan struct{}), done: request.Context().Done()}
	version, err := strconv.Atoi(resourceVersion)
	if err != nil {
		version = 0
	}
	if initial {
		var objects []object
		objects, version = r.collection.list()
		body.initial = make([]any, 0, len(objects)+1)
		for _, o := range objects {
			body.initial = append(body.initial, watchEvent{watch.Added, o})
		}
		body.initial = append(body.initial, watchEvent{watch.Bookmark, &metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{APIVersion: r.gvr.GroupVersion().String(), Kind: r.kind},
			ObjectMeta: metav1.ObjectMeta{
				ResourceVersion: strconv.Itoa(version),
				Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
			},
		}})
	}
	var ok bool
	if body.reader, ok = r.collection.follow(version); !ok {
		return respond(request, http.StatusGone, &expired().ErrStatus)
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: request,
		Header: http.Header{"Content-Type": []string{"application/json"}}, Body: body,
	}
}

type watchEvent struct {
	Type   watch.EventType `json:"type"`
	Object any             `json:"object"`
}

// watchBody is the body of the answer to a watch: one event per Read. A Read for more says that the reflector has
// taken the event before: a decoder hands its event over before it decodes another one.
type watchBody struct {
	collection *collection
	reader     *reader
	initial    []any
	rest       bytes.Buffer // of the event that is being read
	done       <-chan struct{}
	once       sync.Once
	closed     chan struct{}
}

func (b *watchBody) Read(p []byte) (int, error) {
	if b.rest.Len() > 0 {
		return b.rest.Read(p)
	}
	if len(b.initial) > 0 {
		event := b.initial[0]
		b.initial = b.initial[1:]
		return b.send(p, event)
	}
	for {
		what, wait := b.collection.take(b.reader)
		if wait == nil {
			return b.send(p, watchEvent{what.kind, what.object})
		}
		select {
		case <-wait:
		case <-b.closed:
			return 0, io.EOF
		case <-b.done:
			return 0, io.EOF
		}
	}
}

func (b *watchBody) send(p []byte, event any) (int, error) {
	if err := json.NewEncoder(&b.rest).Encode(event); err != nil {
		return 0, err
	}
	return b.rest.Read(p)
}

func (b *watchBody) Close() error {
	b.once.Do(func() {
		close(b.closed)
		b.collection.leave(b.reader)
	})
	return nil
}

func answer(request *http.Request, body any) *http.Response {
	return respond(request, http.StatusOK, body)
}

func refusal(request *http.Request) *http.Response {
	return respond(request, http.StatusNotFound, &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
		Message: "simulated API: no " + request.Method + " " + request.URL.Path,
	})
}

func respond(request *http.Request, code int, body any) *http.Response {
	encoded, err := json.Marshal(body)
	if err != nil {
		code, encoded = http.StatusInternalServerError, []byte(err.Error())
	}
	return &http.Response{
		StatusCode: code, ProtoMajor: 1, ProtoMinor: 1, Request: request, ContentLength: int64(len(encoded)),
		Header: http.Header{"Content-Type": []string{"application/json"}}, Body: io.NopCloser(bytes.NewReader(encoded)),
	}
}
