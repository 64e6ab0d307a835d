// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

var errNoMachine = errors.New("no such machine")

// control serves the control API: the hand that breaks the hardware.
type control struct {
	store *store
	token string
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+simhost.ControlPath, c.list)
	mux.HandleFunc("PATCH "+simhost.ControlPath+"/{name}", c.patch)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(c.token)) != 1 {
			http.Error(w, "give the control token as a bearer token", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (c *control) list(w http.ResponseWriter, r *http.Request) {
	snap, changed := c.store.snapshot()
	if raw := r.URL.Query().Get("since"); raw != "" {
		since, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			http.Error(w, "since: want a revision", http.StatusBadRequest)
			return
		}
		seconds, err := strconv.ParseFloat(r.URL.Query().Get("wait"), 64)
		if err != nil || seconds < 0 {
			http.Error(w, "wait: want seconds", http.StatusBadRequest)
			return
		}
		wait := min(time.Duration(seconds*float64(time.Second)), simhost.MaxWait)
		timeout := time.NewTimer(wait)
		defer timeout.Stop()
	poll:
		for snap.Revision <= since {
			select {
			case <-changed:
				snap, changed = c.store.snapshot()
			case <-timeout.C:
				break poll
			case <-r.Context().Done():
				return
			}
		}
	}
	writeJSON(w, http.StatusOK, snap)
}

func (c *control) patch(w http.ResponseWriter, r *http.Request) {
	var patch simhost.Patch
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&patch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	state, err := c.store.change(r.PathValue("name"), patch)
	switch {
	case errors.Is(err, errNoMachine):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		writeJSON(w, http.StatusOK, state)
	}
}

func writeJSON(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what) // an error here is the client's hanging up
}
