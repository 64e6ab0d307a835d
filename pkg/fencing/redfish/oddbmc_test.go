// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package redfish_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing/redfish"
)

const (
	password   = "p4ss-word-of-the-odd-BMC"
	systemPath = "/redfish/v1/Systems/1"
	resetPath  = systemPath + "/Actions/ComputerSystem.Reset"
)

// oddBMC is a BMC with a single system that misbehaves in the ways that a test gives it; sim-bmc is a good one.
type oddBMC struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // "METHOD path", in order
	answers  map[string]http.HandlerFunc
}

// newOddBMC serves the answers by "METHOD path" over those of a good BMC.
func newOddBMC(t *testing.T, odd map[string]http.HandlerFunc) *oddBMC {
	t.Helper()
	b := &oddBMC{answers: map[string]http.HandlerFunc{
		"GET /redfish/v1/":        says(200, `{"Systems": {"@odata.id": "/redfish/v1/Systems"}}`),
		"GET /redfish/v1/Systems": says(200, `{"Members": [{"@odata.id": "`+systemPath+`"}]}`),
		"GET " + systemPath:       says(200, system("On", resetPath, `"ResetType@Redfish.AllowableValues": ["On", "ForceOff"]`)),
		"POST " + resetPath:       says(204, ""),
	}}
	maps.Copy(b.answers, odd)
	b.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := r.Method + " " + r.URL.RequestURI()
		b.mu.Lock()
		b.requests = append(b.requests, request)
		answer, ok := b.answers[request]
		b.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}
}

func sends(status int, location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	}
}

// system is a ComputerSystem with the id 1; more is added to its reset action.
func system(power, target, more string) string {
	if more != "" {
		more = ", " + more
	}
	return fmt.Sprintf(`{"@odata.id": %q, "Id": "1", "UUID": "4c4c4544-0042-3510-8051-b7c04f563358", "PowerState": %q,
		"Actions": {"#ComputerSystem.Reset": {"target": %q%s}}}`, systemPath, power, target, more)
}

// count counts the requests that begin so.
func (b *oddBMC) count(prefix string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, request := range b.requests {
		if strings.HasPrefix(request, prefix) {
			n++
		}
	}
	return n
}

// caFile writes the server's certificate as the authority to trust.
func (b *oddBMC) caFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

type fixedLogin struct{}

func (fixedLogin) Credentials(context.Context, string) (user, pass string, err error) {
	return "operator", password, nil
}

// driver makes a driver for the BMC; change may alter the host.
func (b *oddBMC) driver(t *testing.T, change func(*fencing.Host)) *redfish.Driver {
	t.Helper()
	host := fencing.Host{NodeName: "n", Endpoint: b.URL, SystemID: "1", CredentialsSecret: "s", CAFile: b.caFile(t)}
	if change != nil {
		change(&host)
	}
	driver, err := redfish.New(redfish.Options{
		Hosts: []fencing.Host{host}, Credentials: fixedLogin{}, ReadTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return driver
}
