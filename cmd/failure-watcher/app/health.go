// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// status is what /readyz says. It is there before the manager is, because the wait for the API server and for CRDs may be long
// and is no reason to be restarted.
type status struct {
	mu    sync.Mutex
	text  string
	ready func() error
}

func (s *status) waiting(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

// watch makes /readyz ask ready from now on.
func (s *status) watch(ready func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = ready
}

func (s *status) check() error {
	s.mu.Lock()
	text, ready := s.text, s.ready
	s.mu.Unlock()
	if ready != nil {
		return ready()
	}
	return errors.New(text)
}

// serveHealth serves /healthz, which says that the process runs, and /readyz, which says whether it watches, until ctx is done.
func serveHealth(ctx context.Context, address string, s *status) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("healthBindAddress %q: %w: choose another address, or end what uses it", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { ok(w) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		ok(w)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close, and never else while the process runs
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// ok answers; a client that has gone away needs no answer.
func ok(w http.ResponseWriter) { _, _ = fmt.Fprintln(w, "ok") }
