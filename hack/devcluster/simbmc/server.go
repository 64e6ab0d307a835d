// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Options describe a simulation.
type Options struct {
	Hosts []simhost.Hardware
	// Credentials are the BMCs' logins by host name; every host needs one.
	Credentials map[string]simhost.Credential
	// Certificate serves the BMCs and the control API; it must be valid for 127.0.0.1.
	Certificate tls.Certificate
	// ControlListen is where the control API listens, 127.0.0.1:PORT (port 0: the kernel chooses).
	ControlListen string
	// ControlToken is the bearer token of the control API.
	ControlToken string
	// Delays of the hardware; what is zero becomes 1 s (Off, On) or 10 s (SlowOff).
	Delays Delays
}

// Server is a running simulation.
type Server struct {
	store      *store
	bmcs       map[string]*bmcListener
	controlURL string
	servers    []*http.Server
	serving    sync.WaitGroup
	failed     chan error
}

// Start starts the simulation: all BMCs and the control API listen when it returns.
func Start(opts Options) (_ *Server, err error) {
	if len(opts.ControlToken) < 16 {
		return nil, errors.New("control token: want at least 16 characters, it switches machines off")
	}
	if host, _, err := net.SplitHostPort(opts.ControlListen); err != nil || host != "127.0.0.1" {
		return nil, fmt.Errorf("control API: cannot listen on %q, want 127.0.0.1:PORT", opts.ControlListen)
	}
	for delay, preset := range map[*time.Duration]time.Duration{
		&opts.Delays.Off: time.Second, &opts.Delays.On: time.Second, &opts.Delays.SlowOff: 10 * time.Second,
	} {
		if *delay == 0 {
			*delay = preset
		}
	}
	st, err := newStore(opts.Hosts, opts.Credentials, opts.Delays)
	if err != nil {
		return nil, err
	}
	selfSigned, err := newSelfSigned()
	if err != nil {
		return nil, err
	}
	s := &Server{store: st, bmcs: map[string]*bmcListener{}, failed: make(chan error, len(opts.Hosts)+1)}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	st.onBMCChange = func(name string) { s.bmcs[name].drop() }
	for _, hw := range opts.Hosts {
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(hw.BMCPort)))
		if err != nil {
			return nil, fmt.Errorf("BMC of %s: %w", hw.Name, err)
		}
		l := &bmcListener{Listener: ln, store: st, name: hw.Name, conns: map[net.Conn]struct{}{}}
		s.bmcs[hw.Name] = l
		s.serve(l, (&bmc{store: st, name: hw.Name}).handler(), st.tlsConfig(hw.Name, &opts.Certificate, selfSigned))
	}
	ln, err := net.Listen("tcp", opts.ControlListen)
	if err != nil {
		return nil, fmt.Errorf("control API: %w", err)
	}
	s.controlURL = "https://" + ln.Addr().String()
	s.serve(ln, (&control{store: st, token: opts.ControlToken}).handler(), &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{opts.Certificate},
	})
	return s, nil
}

func (s *Server) serve(ln net.Listener, handler http.Handler, config *tls.Config) {
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * simhost.MaxWait,
		ErrorLog:          log.New(io.Discard, "", 0), // failed handshakes are what tests are about
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		if err := server.ServeTLS(ln, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
}

// ControlURL is the base URL of the control API.
func (s *Server) ControlURL() string { return s.controlURL }

// BMCURL is the base URL of a machine's BMC, empty for an unknown machine.
func (s *Server) BMCURL(name string) string {
	l, ok := s.bmcs[name]
	if !ok {
		return ""
	}
	return "https://" + l.Addr().String()
}

// OpenConnections is the number of connections that a machine's BMC has open: what a client has left behind.
func (s *Server) OpenConnections(name string) int { return s.bmcs[name].open() }

// OpenSessions is the number of sessions at a machine's BMC that nobody has logged out.
func (s *Server) OpenSessions(name string) int {
	return len((&bmc{store: s.store, name: name}).sessionIDs())
}

// Credential is the current login of a machine's BMC.
func (s *Server) Credential(name string) (simhost.Credential, bool) {
	return s.store.credentialOf(name)
}

// Set changes a machine as the control API would.
func (s *Server) Set(name string, patch simhost.Patch) (simhost.HostState, error) {
	return s.store.change(name, patch)
}

// Snapshot returns the state of all machines.
func (s *Server) Snapshot() simhost.Snapshot {
	snap, _ := s.store.snapshot()
	return snap
}

// Wait serves until ctx ends or a listener fails; then it closes the simulation.
func (s *Server) Wait(ctx context.Context) error {
	defer s.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// Close ends the simulation at once, requests under way included.
func (s *Server) Close() {
	for _, l := range s.bmcs {
		l.drop()
	}
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.serving.Wait()
}
