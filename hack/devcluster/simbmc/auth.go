// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"crypto/subtle"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// authenticated lets a request through that carries the BMC's login or the token of a living session.
func (b *bmc) authenticated(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !b.allowed(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="simulated BMC"`)
			redfishError(w, http.StatusUnauthorized, "NoValidSession", "log in first, or check the login")
			return
		}
		h(w, r)
	}
}

func (b *bmc) allowed(r *http.Request) bool {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	m := b.store.machines[b.name]
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		return slices.ContainsFunc(slices.Collect(maps.Values(m.sessions)), func(t string) bool { return same(t, token) })
	}
	username, password, ok := r.BasicAuth()
	return ok && m.isLogin(username, password)
}

func (m *machine) isLogin(username, password string) bool {
	return same(m.credential.Username, username) && same(m.credential.Password, password)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (b *bmc) login(w http.ResponseWriter, r *http.Request) {
	var body struct{ UserName, Password string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
		redfishError(w, http.StatusBadRequest, "MalformedJSON", "the body is no JSON object with UserName and Password")
		return
	}
	id, token, ok := b.newSession(body.UserName, body.Password)
	if !ok {
		redfishError(w, http.StatusUnauthorized, "ResourceAtUriUnauthorized", "wrong login")
		return
	}
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", sessionsPath+"/"+id)
	writeJSON(w, http.StatusCreated, sessionResource(id))
}

func (b *bmc) newSession(username, password string) (id, token string, ok bool) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	m := b.store.machines[b.name]
	if !m.isLogin(username, password) {
		return "", "", false
	}
	id, token = newUUID(), newUUID()
	m.sessions[id] = token
	return id, token, true
}

func (b *bmc) logout(w http.ResponseWriter, r *http.Request) {
	b.store.mu.Lock()
	m := b.store.machines[b.name]
	_, ok := m.sessions[r.PathValue("id")]
	delete(m.sessions, r.PathValue("id"))
	b.store.mu.Unlock()
	if !ok {
		redfishError(w, http.StatusNotFound, "ResourceMissingAtURI", "no such session")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (b *bmc) session(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(b.sessionIDs(), r.PathValue("id")) {
		redfishError(w, http.StatusNotFound, "ResourceMissingAtURI", "no such session")
		return
	}
	writeJSON(w, http.StatusOK, sessionResource(r.PathValue("id")))
}

func (b *bmc) sessions(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, collection("Session", sessionsPath, b.sessionIDs()...))
}

func (b *bmc) sessionService(w http.ResponseWriter, _ *http.Request) {
	body := resource("SessionService.v1_1_9.SessionService", servicePath, "SessionService")
	body["ServiceEnabled"] = true
	body["SessionTimeout"] = 300
	body["Sessions"] = link(sessionsPath)
	writeJSON(w, http.StatusOK, body)
}

func (b *bmc) sessionIDs() []string {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return slices.Sorted(maps.Keys(b.store.machines[b.name].sessions))
}

func sessionResource(id string) object {
	body := resource("Session.v1_7_1.Session", sessionsPath+"/"+id, id)
	body["Password"] = nil // Redfish: null in answers
	return body
}

// credentialOf returns the BMC's current login; a test that rotates it asks what it was.
func (s *store) credentialOf(name string) (simhost.Credential, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.machines[name]
	if !ok {
		return simhost.Credential{}, false
	}
	return m.credential, true
}
