// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Between stands between a client and the objects: an admission webhook that changes an object or refuses it, an answer that is lost. verb is create
// or delete; write has the server do it. What Between returns is what the client is answered; an error that is no API status breaks
// the connection.
type Between func(verb string, object Object, write func() error) error

// Stand makes a Between stand between, in place of the one before; nil lets everything through.
func (s *Server) Stand(between Between) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.between = between
}

// Get returns an object, or nil.
func (s *Server) Get(name string) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[name]
}

// Objects returns all objects, in no order.
func (s *Server) Objects() []Object {
	list, _ := s.snapshot()
	return list
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	object := s.resource.New()
	if err := json.NewDecoder(r.Body).Decode(object); err != nil {
		answer(w, nil, apierrors.NewBadRequest(err.Error()))
		return
	}
	answer(w, object, s.pass("create", object, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.objects[object.GetName()]; ok {
			return apierrors.NewAlreadyExists(s.group(), object.GetName())
		}
		object.SetUID(types.UID(fmt.Sprintf("%s-%d", s.resource.Plural, len(s.log)+1)))
		object.SetCreationTimestamp(metav1.Unix(int64(len(s.log)+1), 0))
		s.record("ADDED", object)
		object.SetResourceVersion(strconv.Itoa(len(s.log)))
		return nil
	}))
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	object := s.Get(r.PathValue("name"))
	if object == nil {
		answer(w, nil, apierrors.NewNotFound(s.group(), r.PathValue("name")))
		return
	}
	answer(w, object, nil)
}

// delete removes an object, or, when it has finalizers, only marks it, like the API server.
func (s *Server) delete(w http.ResponseWriter, r *http.Request) {
	var options metav1.DeleteOptions
	if err := json.NewDecoder(r.Body).Decode(&options); err != nil {
		answer(w, nil, apierrors.NewBadRequest(err.Error()))
		return
	}
	name := r.PathValue("name")
	object := s.Get(name)
	if object == nil {
		answer(w, nil, apierrors.NewNotFound(s.group(), name))
		return
	}
	answer(w, object, s.pass("delete", object, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		there, ok := s.objects[name]
		switch {
		case !ok:
			return apierrors.NewNotFound(s.group(), name)
		case options.Preconditions != nil && options.Preconditions.UID != nil && *options.Preconditions.UID != there.GetUID():
			return apierrors.NewConflict(s.group(), name, errors.New("the UID is another one"))
		case len(there.GetFinalizers()) == 0:
			s.record("DELETED", there)
			delete(s.objects, name)
			return nil
		}
		marked, _ := there.DeepCopyObject().(Object)
		marked.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(int64(len(s.log)+1), 0)})
		s.record("MODIFIED", marked)
		return nil
	}))
}

func (s *Server) pass(verb string, object Object, write func() error) error {
	s.mu.Lock()
	between := s.between
	s.mu.Unlock()
	if between == nil {
		return write()
	}
	return between(verb, object, write)
}

func (s *Server) group() schema.GroupResource {
	return schema.GroupResource{Group: s.resource.GroupVersion.Group, Resource: s.resource.Plural}
}

func answer(w http.ResponseWriter, object Object, err error) {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		reply(w, object)
	case errors.As(err, &status):
		body := status.Status()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(body.Code))
		body.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		_ = json.NewEncoder(w).Encode(body)
	default:
		panic(http.ErrAbortHandler) // the connection breaks
	}
}
