// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simapi is a simulated API server for tests: it serves the one
// resource of KubeVirt that the scheduler reads, by real HTTP, and can be
// without it. It knows just enough of discovery, list and watch for client-go.
// Tests of what a real API server does live in test/integration.
package simapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

const (
	groupPath = "/apis/kubevirt.io/v1"
	vmiPath   = groupPath + "/virtualmachineinstances"
)

type event struct {
	Type   string `json:"type"`
	Object any    `json:"object"`
}

// Server holds VirtualMachineInstances. Its methods may be called at any time.
type Server struct {
	server *httptest.Server
	done   chan struct{} // closed when the server ends: watches end

	mu        sync.Mutex
	installed bool
	forbidden bool
	vmis      map[string]*kubevirtv1.VirtualMachineInstance
	log       []event       // the event at index i has resourceVersion i+1
	changed   chan struct{} // closed and replaced when the log grows
	lists     int
}

// New starts a server on which KubeVirt is not installed. It ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{vmis: map[string]*kubevirtv1.VirtualMachineInstance{}, changed: make(chan struct{}), done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+groupPath, s.discover)
	mux.HandleFunc("GET "+vmiPath, s.listOrWatch)
	s.server = httptest.NewServer(mux)
	tb.Cleanup(func() {
		close(s.done) // Close waits for requests, and a client that still runs would watch anew
		s.server.Close()
	})
	return s
}

// Config returns a client configuration for the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.server.URL} }

// Install makes the server serve VirtualMachineInstances from now on.
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

// Reads returns how often the VirtualMachineInstances were listed, or a watch of them begun.
func (s *Server) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists
}

// Set creates or replaces a VirtualMachineInstance, which is known by its name.
func (s *Server) Set(vmi *kubevirtv1.VirtualMachineInstance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "ADDED"
	if _, ok := s.vmis[vmi.Name]; ok {
		kind = "MODIFIED"
	}
	s.record(kind, vmi)
}

// Delete removes a VirtualMachineInstance.
func (s *Server) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if vmi, ok := s.vmis[name]; ok {
		s.record("DELETED", vmi)
		delete(s.vmis, name)
	}
}

func (s *Server) record(kind string, vmi *kubevirtv1.VirtualMachineInstance) {
	stored := vmi.DeepCopy()
	stored.APIVersion, stored.Kind = kubevirtv1.GroupVersion.String(), "VirtualMachineInstance"
	stored.Namespace = metav1.NamespaceDefault
	stored.ResourceVersion = strconv.Itoa(len(s.log) + 1)
	s.vmis[vmi.Name] = stored
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
		GroupVersion: kubevirtv1.GroupVersion.String(),
		APIResources: []metav1.APIResource{{Name: "virtualmachineinstances", Kind: "VirtualMachineInstance", Namespaced: true}},
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
		reply(w, kubevirtv1.VirtualMachineInstanceList{
			TypeMeta: metav1.TypeMeta{APIVersion: kubevirtv1.GroupVersion.String(), Kind: "VirtualMachineInstanceList"},
			ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(version)},
			Items:    list,
		})
	}
}

func (s *Server) snapshot() (list []kubevirtv1.VirtualMachineInstance, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, vmi := range s.vmis {
		list = append(list, *vmi)
	}
	return list, len(s.log)
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	encoder := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/json")
	version, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		var list []kubevirtv1.VirtualMachineInstance
		list, version = s.snapshot()
		for i := range list {
			_ = encoder.Encode(event{Type: "ADDED", Object: &list[i]})
		}
		end := &kubevirtv1.VirtualMachineInstance{}
		end.APIVersion, end.Kind = kubevirtv1.GroupVersion.String(), "VirtualMachineInstance"
		end.ResourceVersion = strconv.Itoa(version)
		end.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		_ = encoder.Encode(event{Type: "BOOKMARK", Object: end})
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
