// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Handler serves /healthz, and to bearers of the token the ledger of guests (?since=SEQ leaves out what is known).
func (c *Controller) Handler(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := c.Healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET "+simhost.GuestsPath, func(w http.ResponseWriter, r *http.Request) {
		want := []byte("Bearer " + token)
		if token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "bearer token is missing or wrong", http.StatusUnauthorized)
			return
		}
		since := 0
		if s := r.URL.Query().Get("since"); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 {
				http.Error(w, "since: want the sequence number of an event", http.StatusBadRequest)
				return
			}
			since = n
		}
		events := c.World.Events(since)
		if events == nil {
			events = []simhost.GuestEvent{}
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(simhost.GuestLedger{Events: events}); err != nil {
			c.Log.Error(err, "ledger not sent")
		}
	})
	return mux
}
