// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"testing"
)

func newCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func keyPair(t *testing.T, pair Pair, err error) tls.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// handshake returns the client's name as the server sees it, and the error of
// the side that refuses.
func handshake(t *testing.T, server, client *tls.Config) (string, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	type seen struct {
		name string
		err  error
	}
	result := make(chan seen, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			result <- seen{err: err}
			return
		}
		defer func() { _ = conn.Close() }()
		s := tls.Server(conn, server)
		if err := s.HandshakeContext(t.Context()); err != nil {
			result <- seen{err: err}
			return
		}
		subject := s.ConnectionState().PeerCertificates[0].Subject
		_, _ = io.WriteString(s, "x")
		result <- seen{name: subject.CommonName + " in " + subject.Organization[0]}
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err == nil {
		_, err = io.ReadAll(conn)
		_ = conn.Close()
	}
	r := <-result
	return r.name, errors.Join(err, r.err)
}

func TestHandshake(t *testing.T) {
	ours, other := newCA(t), newCA(t)
	pool := func(ca *CA) *x509.CertPool {
		p := x509.NewCertPool()
		p.AppendCertsFromPEM(ca.PEM())
		return p
	}
	serving, err := ours.Server("api", "virt-api.kubevirt.svc")
	server := &tls.Config{
		Certificates: []tls.Certificate{keyPair(t, serving, err)}, ClientCAs: pool(ours), ClientAuth: tls.RequireAndVerifyClientCert,
	}
	user, err := ours.Client("jane", "masters")
	jane := keyPair(t, user, err)
	forged, err := other.Client("jane", "masters")
	stranger := keyPair(t, forged, err)

	tests := map[string]struct {
		client  *tls.Config
		want    string
		wantErr bool
	}{
		"by address":              {client: &tls.Config{RootCAs: pool(ours), Certificates: []tls.Certificate{jane}}, want: "jane in masters"},
		"by service name":         {client: &tls.Config{RootCAs: pool(ours), Certificates: []tls.Certificate{jane}, ServerName: "virt-api.kubevirt.svc"}, want: "jane in masters"},
		"another name":            {client: &tls.Config{RootCAs: pool(ours), Certificates: []tls.Certificate{jane}, ServerName: "example.org"}, wantErr: true},
		"server of another CA":    {client: &tls.Config{RootCAs: pool(other), Certificates: []tls.Certificate{jane}}, wantErr: true},
		"client of another CA":    {client: &tls.Config{RootCAs: pool(ours), Certificates: []tls.Certificate{stranger}}, wantErr: true},
		"client without its name": {client: &tls.Config{RootCAs: pool(ours)}, wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := handshake(t, server, tc.client)
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("handshake = %q, %v, want %q, error %v", got, err, tc.want, tc.wantErr)
			}
		})
	}
}

func TestClientCertificateDoesNotServe(t *testing.T) {
	ca := newCA(t)
	pair, err := ca.Client("jane", "masters")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pair.Cert)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	for usage, wantErr := range map[x509.ExtKeyUsage]bool{x509.ExtKeyUsageClientAuth: false, x509.ExtKeyUsageServerAuth: true} {
		_, err := certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}})
		if (err != nil) != wantErr {
			t.Errorf("verify for usage %v: %v, want error %v", usage, err, wantErr)
		}
	}
}

func TestWriteIsForTheOwnerOnly(t *testing.T) {
	pair, err := SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	certPath, keyPath, err := pair.Write(t.TempDir(), "token")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{certPath, keyPath} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want {
			t.Errorf("%s has mode %v, want %v", path, got, want)
		}
	}
}
