// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simtest starts simulated machines and BMCs inside a test, with a certificate authority of their own.
//
// Only what a test needs to have hardware lives here. It asserts nothing about the code under test.
package simtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simbmc"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Token is the token of the control API.
const Token = "token-of-a-test-only"

// SystemID is the id of every machine's system, as vendors have it.
const SystemID = "System.Embedded.1"

// Bench is a running simulation.
type Bench struct {
	*simbmc.Server
	// Client speaks to the control API.
	Client *simhost.Client
	// CAFile is the PEM file with the authority that signed the BMCs' certificate.
	CAFile string
	// Hosts are the machines in order.
	Hosts []simhost.Hardware
}

// Start starts the named machines, which end with the test. They power off and on in 20 ms, slowly in 10 s.
func Start(tb testing.TB, names ...string) *Bench {
	tb.Helper()
	certificate, caPEM := newCertificate(tb)
	caFile := filepath.Join(tb.TempDir(), "bmc-ca.pem")
	if err := os.WriteFile(caFile, caPEM, 0o600); err != nil {
		tb.Fatal(err)
	}
	opts := simbmc.Options{
		Certificate: certificate, ControlListen: "127.0.0.1:0", ControlToken: Token,
		Credentials: map[string]simhost.Credential{},
		Delays:      simbmc.Delays{Off: 20 * time.Millisecond, On: 20 * time.Millisecond, SlowOff: 10 * time.Second},
	}
	for i, name := range names {
		opts.Hosts = append(opts.Hosts, simhost.Hardware{
			Name: name, Zone: "zone-1", SystemUUID: fmt.Sprintf("4c4c4544-0042-3510-8051-%012x", i+0xb0),
			SystemID: SystemID, CPUs: 8, MemoryBytes: 32 << 30, InitialBootID: "boot-1-of-" + name,
		})
		opts.Credentials[name] = simhost.Credential{Username: "operator", Password: "secret-of-" + name}
	}
	server, err := simbmc.Start(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Close)
	client, err := simhost.NewClient(server.ControlURL(), Token, caPEM)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return &Bench{Server: server, Client: client, CAFile: caFile, Hosts: opts.Hosts}
}

// Change changes a machine or fails the test.
func (b *Bench) Change(tb testing.TB, name string, patch simhost.Patch) {
	tb.Helper()
	if _, err := b.Set(name, patch); err != nil {
		tb.Fatal(err)
	}
}

// Host returns the state of a machine.
func (b *Bench) Host(tb testing.TB, name string) simhost.HostState {
	tb.Helper()
	host, ok := b.Snapshot().Host(name)
	if !ok {
		tb.Fatalf("no simulated machine %q", name)
	}
	return host
}

// WaitPower waits until a machine is in a power state.
func (b *Bench) WaitPower(tb testing.TB, name, power string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	if _, err := b.Client.WaitFor(ctx, name, func(s simhost.HostState) bool { return s.Power == power }); err != nil {
		tb.Fatalf("waiting for %s to be %s: %v", name, power, err)
	}
}

// newCertificate makes an authority and a certificate of it for 127.0.0.1.
func newCertificate(tb testing.TB) (tls.Certificate, []byte) {
	tb.Helper()
	caKey, caTemplate := newKey(tb), template("authority of simulated BMCs")
	caTemplate.IsCA, caTemplate.BasicConstraintsValid, caTemplate.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER := sign(tb, caTemplate, caTemplate, caKey, caKey)
	key, leaf := newKey(tb), template("simulated BMCs")
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der := sign(tb, leaf, caTemplate, key, caKey)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func sign(tb testing.TB, what, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, what, parent, key.Public(), signer)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

// Get fetches a URL of the simulation with the given headers, over TLS verified with the bench's authority, and closes
// the body.
func (b *Bench) Get(tb testing.TB, url string, header http.Header) *http.Response {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Header, req.Close = header, true
	resp, err := b.HTTPClient(tb).Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

// HTTPClient is a plain client that trusts the bench's authority.
func (b *Bench) HTTPClient(tb testing.TB) *http.Client {
	tb.Helper()
	raw, err := os.ReadFile(b.CAFile)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}
