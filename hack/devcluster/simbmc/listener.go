// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// bmcListener is the network side of one BMC. It keeps its port while the BMC is unreachable, so that nothing else
// on this machine gets it and answers in its place.
type bmcListener struct {
	net.Listener
	store *store
	name  string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Accept returns the next connection that the BMC is there for. Connections to an unreachable BMC are reset.
func (l *bmcListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tracked := &trackedConn{Conn: conn, listener: l}
		// First tracked, then looked at: a change of the state in between drops it.
		l.mu.Lock()
		l.conns[tracked] = struct{}{}
		l.mu.Unlock()
		reachable, fault := l.store.network(l.name)
		if !reachable {
			tracked.reset()
			continue
		}
		if fault == simhost.FaultHangTLS {
			go tracked.swallow()
			continue
		}
		return tracked, nil
	}
}

// drop cuts all connections of the BMC off.
func (l *bmcListener) drop() {
	l.mu.Lock()
	conns := make([]*trackedConn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c.(*trackedConn))
	}
	l.mu.Unlock()
	for _, c := range conns {
		c.reset()
	}
}

// open is the number of open connections.
func (l *bmcListener) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

type trackedConn struct {
	net.Conn
	listener *bmcListener
}

func (c *trackedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// swallow takes what the client says until it gives up or the connection is dropped.
func (c *trackedConn) swallow() {
	_, _ = io.Copy(io.Discard, c.Conn)
	_ = c.Close()
}

// reset closes with a RST, as a host that is gone from the network would make its router do.
func (c *trackedConn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (s *store) network(name string) (reachable bool, fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machines[name]
	return m.state.BMCReachable, m.state.BMCFault
}

// tlsConfig serves the certificate, or the self-signed one under simhost.FaultWrongTLS. HTTP/1.1 only, as most BMCs.
func (s *store) tlsConfig(name string, certificate, selfSigned *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if _, fault := s.network(name); fault == simhost.FaultWrongTLS {
				return selfSigned, nil
			}
			return certificate, nil
		},
	}
}

// newSelfSigned makes the certificate that a factory-new BMC has: right name, trusted by nobody.
func newSelfSigned() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "factory default of a simulated BMC"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(10 * 365 * 24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost"},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
