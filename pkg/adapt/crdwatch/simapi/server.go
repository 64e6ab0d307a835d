// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simapi is a simulated API server for tests: it serves one custom
// resource that the scheduler reads, by real HTTP, and can be without it. It knows just enough of discovery, list and watch for client-go,
// and of get, create and delete for who writes.
// Tests of what a real API server does live in test/integration.
package simapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// Resource is what a Server serves.
type Resource struct {
	GroupVersion schema.GroupVersion
	Plural, Kind string
	Namespaced   bool
	// New returns an empty object; only who creates needs it.
	New func() Object
}

// KubeVirt's resources.
var (
	VMIs       = Resource{GroupVersion: kubevirtv1.GroupVersion, Plural: "virtualmachineinstances", Kind: "VirtualMachineInstance", Namespaced: true}
	Migrations = Resource{
		GroupVersion: kubevirtv1.GroupVersion, Plural: "virtualmachineinstancemigrations", Kind: "VirtualMachineInstanceMigration", Namespaced: true,
		New: func() Object { return &kubevirtv1.VirtualMachineInstanceMigration{} },
	}
)

// Object is one of the resource.
type Object interface {
	metav1.Object
	runtime.Object
}

type event struct {
	Type   string `json:"type"`
	Object any    `json:"object"`
}

// Server holds objects of one resource. Its methods may be called at any time.
type Server struct {
	resource Resource
	server   *httptest.Server
	done     chan struct{} // closed when the server ends: watches end

	mu        sync.Mutex
	installed bool
	forbidden bool
	objects   map[string]Object
	between   Between
	log       []event       // the event at index i has resourceVersion i+1
	changed   chan struct{} // closed and replaced when the log grows
	lists     int
}

// New starts a server on which the CRD is not installed. It ends with the test.
func New(tb testing.TB, resource Resource) *Server {
	tb.Helper()
	s := &Server{resource: resource, objects: map[string]Object{}, changed: make(chan struct{}), done: make(chan struct{})}
	mux := http.NewServeMux()
	group := "/apis/" + resource.GroupVersion.String()
	mux.HandleFunc("GET "+group, s.discover)
	mux.HandleFunc("GET "+group+"/"+resource.Plural, s.listOrWatch)
	one := group + "/namespaces/" + metav1.NamespaceDefault + "/" + resource.Plural
	mux.HandleFunc("POST "+one, s.create)
	mux.HandleFunc("GET "+one+"/{name}", s.get)
	mux.HandleFunc("DELETE "+one+"/{name}", s.delete)
	s.server = httptest.NewServer(mux)
	tb.Cleanup(func() {
		close(s.done) // Close waits for requests, and a client that still runs would watch anew
		s.server.Close()
	})
	return s
}

// Config returns a client configuration for the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.server.URL} }

// Install makes the server serve the resource from now on.
func (s *Server) Install() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.installed = true
}

// Forbid makes the server refuse to list and to watch, or no longer.
func (s *Server) Forbid(forbidden bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden = forbidden
}

// Reads returns how often the objects were listed, or a watch of them begun.
func (s *Server) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists
}

// Set creates or replaces an object, which is known by its name.
func (s *Server) Set(object Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "ADDED"
	if _, ok := s.objects[object.GetName()]; ok {
		kind = "MODIFIED"
	}
	s.record(kind, object)
}

// Delete removes an object.
func (s *Server) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if object, ok := s.objects[name]; ok {
		s.record("DELETED", object)
		delete(s.objects, name)
	}
}

func (s *Server) record(kind string, object Object) {
	stored, ok := object.DeepCopyObject().(Object)
	if !ok {
		panic(fmt.Sprintf("the copy of a %T has no metadata", object))
	}
	stored.GetObjectKind().SetGroupVersionKind(s.resource.GroupVersion.WithKind(s.resource.Kind))
	if s.resource.Namespaced {
		stored.SetNamespace(metav1.NamespaceDefault)
	}
	stored.SetResourceVersion(strconv.Itoa(len(s.log) + 1))
	s.objects[object.GetName()] = stored
	s.log = append(s.log, event{Type: kind, Object: stored})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) discover(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.installed {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	reply(w, metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"},
		GroupVersion: s.resource.GroupVersion.String(),
		APIResources: []metav1.APIResource{{Name: s.resource.Plural, Kind: s.resource.Kind, Namespaced: s.resource.Namespaced}},
	})
}

func (s *Server) listOrWatch(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.lists++
	installed, forbidden := s.installed, s.forbidden
	s.mu.Unlock()
	switch {
	case !installed:
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case forbidden:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	case r.URL.Query().Get("watch") != "":
		s.watch(w, r)
	default:
		list, version := s.snapshot()
		reply(w, map[string]any{
			"apiVersion": s.resource.GroupVersion.String(), "kind": s.resource.Kind + "List",
			"metadata": metav1.ListMeta{ResourceVersion: strconv.Itoa(version)},
			"items":    list,
		})
	}
}

func (s *Server) snapshot() (list []Object, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list = []Object{}
	for _, object := range s.objects {
		list = append(list, object)
	}
	return list, len(s.log)
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	encoder := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/json")
	version, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		var list []Object
		list, version = s.snapshot()
		for _, object := range list {
			_ = encoder.Encode(event{Type: "ADDED", Object: object})
		}
		_ = encoder.Encode(event{Type: "BOOKMARK", Object: metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{APIVersion: s.resource.GroupVersion.String(), Kind: s.resource.Kind},
			ObjectMeta: metav1.ObjectMeta{
				ResourceVersion: strconv.Itoa(version), Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
			},
		}})
	}
	for {
		s.mu.Lock()
		events, changed := s.log[version:], s.changed
		s.mu.Unlock()
		for _, e := range events {
			if encoder.Encode(e) != nil {
				return
			}
		}
		version += len(events)
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-s.done:
			return
		}
	}
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a client that has gone away needs no answer
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Reason: reason, Code: int32(code), Message: string(reason),
	})
}
