// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"encoding/json"
	"io"
	"net/http"
	"path"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Paths of the Redfish service; the URIs are those that Redfish fixes for every service (DSP0266, "Resource URIs").
const (
	rootPath     = "/redfish/v1/"
	systemsPath  = "/redfish/v1/Systems"
	chassisPath  = "/redfish/v1/Chassis"
	managersPath = "/redfish/v1/Managers"
	servicePath  = "/redfish/v1/SessionService"
	sessionsPath = "/redfish/v1/SessionService/Sessions"
	resetSuffix  = "/Actions/ComputerSystem.Reset"
)

// maxBody bounds a request's body: a login or a reset is far smaller.
const maxBody = 1 << 16

// bmc is the Redfish service of one machine's BMC.
type bmc struct {
	store *store
	name  string
}

// view is what a BMC shows at a moment.
type view struct {
	fault  string
	served simhost.Hardware // the machine that it serves
	id     string           // under the BMC's own system id
	power  string
	uuid   string // as it is served, perhaps with swapped bytes; empty when it is not served
}

func (b *bmc) view() view {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	own := b.store.machines[b.name]
	served := b.store.machines[own.state.BMCServes]
	v := view{
		fault: own.state.BMCFault, served: served.hw, id: own.hw.SystemID, power: served.state.Power,
		uuid: served.hw.SystemUUID,
	}
	switch v.fault {
	case simhost.FaultNoUUID:
		v.uuid = ""
	case simhost.FaultSwappedUUID:
		v.uuid = swapUUID(v.uuid)
	}
	return v
}

// handler answers for the BMC, faults first: they come before any authentication.
func (b *bmc) handler() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) }
	closed := func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, b.authenticated(h)) }

	open("GET /redfish", b.versions)
	open("GET /redfish/v1", b.root)
	open("POST "+sessionsPath, b.login)
	closed("GET "+systemsPath, b.systems)
	closed("GET "+systemsPath+"/{id}", b.system)
	closed("POST "+systemsPath+"/{id}"+resetSuffix, b.reset)
	closed("GET "+servicePath, b.sessionService)
	closed("GET "+sessionsPath, b.sessions)
	closed("GET "+sessionsPath+"/{id}", b.session)
	closed("DELETE "+sessionsPath+"/{id}", b.logout)
	closed("GET "+chassisPath, b.chassisCollection)
	closed("GET "+chassisPath+"/{id}", b.chassis)
	closed("GET "+managersPath, b.managerCollection)
	closed("GET "+managersPath+"/{id}", b.manager)
	mux.HandleFunc("/", b.authenticated(func(w http.ResponseWriter, r *http.Request) {
		redfishError(w, http.StatusNotFound, "ResourceMissingAtURI", "no resource at "+r.URL.Path)
	}))

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("OData-Version", "4.0")
		w.Header().Set("Cache-Control", "no-cache")
		switch b.view().fault {
		case simhost.FaultHang:
			hang(r)
		case simhost.Fault500:
			redfishError(w, http.StatusInternalServerError, "InternalError", "simulated internal error")
			return
		}
		// Redfish clients ask with and without the slash at the end.
		r.URL.Path = path.Clean(r.URL.Path)
		mux.ServeHTTP(w, r)
	})
}

// hang never answers: it waits until the connection is gone, which the client or the end of the fault brings about.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxBody)) // the server notices a client's leaving only at the body's end
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func (b *bmc) reset(w http.ResponseWriter, r *http.Request) {
	v := b.view()
	id := r.PathValue("id")
	if id != v.id && id != decoySystem {
		redfishError(w, http.StatusNotFound, "ResourceMissingAtURI", "no system "+id)
		return
	}
	var body struct {
		ResetType string `json:"ResetType"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
		redfishError(w, http.StatusBadRequest, "MalformedJSON", "the body is no JSON object with a ResetType")
		return
	}
	switch b.store.reset(b.name, id, body.ResetType) {
	case resetAccepted:
		w.WriteHeader(http.StatusNoContent)
	case resetHang:
		hang(r)
	case resetConflict:
		redfishError(w, http.StatusConflict, "ResourceInUse", "the system is in the requested power state already")
	case resetBadValue:
		redfishError(w, http.StatusBadRequest, "ActionParameterNotSupported", "ResetType is not an allowable value")
	case resetForbidden:
		redfishError(w, http.StatusBadRequest, "ActionNotSupported", "this system cannot be reset")
	}
}

// redfishError answers with an error as Redfish wants it (DSP0266, "Error responses").
func redfishError(w http.ResponseWriter, status int, message, text string) {
	id := "Base.1.18." + message
	info := object{"@odata.type": "#Message.v1_2_1.Message", "MessageId": id, "Message": text, "Severity": "Critical"}
	writeJSON(w, status, object{"error": object{"code": id, "message": text, "@Message.ExtendedInfo": []object{info}}})
}
