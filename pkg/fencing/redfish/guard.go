// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package redfish

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

const (
	// maxResponse bounds one answer's body, in bytes; a ComputerSystem has a few dozen KiB at most.
	maxResponse = 4 << 20
	// maxHeader bounds one answer's header, in bytes.
	maxHeader = 64 << 10
	// maxRedirects is how many redirects of a reading are followed within the BMC.
	maxRedirects = 3
)

// guard is the transport of one call. It lets only requests to the configured BMC pass, and of those that change
// something only the ones that the call is for: whatever the layers above do, a reading changes nothing and a power-off
// acts once. It is used by one goroutine, as a call is, but for the counter.
type guard struct {
	transport     *http.Transport
	host          string
	loginAllowed  bool
	logoutAllowed bool
	action        string // the path of the one action that is allowed
	sent          atomic.Bool
}

var errGuard = errors.New("blocked by the driver")

func newGuard(t target, timeout time.Duration) (*guard, error) {
	roots, err := rootCAs(t.CAFile)
	if err != nil {
		return nil, err
	}
	return &guard{host: t.url.Host, transport: &http.Transport{
		Proxy:                  nil, // a login for a BMC goes to that BMC and through nothing else
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    timeout,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/2 has retries of its own
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}}, nil
}

// rootCAs reads the authorities; nil means the system's.
func rootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: caFile: %w", fencing.ErrTLS, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: caFile %s holds no PEM certificate", fencing.ErrTLS, file)
	}
	return pool, nil
}

// allowAction lets one POST to the path pass.
func (g *guard) allowAction(path string) { g.action = path }

// actionSent says whether that POST has been handed to the network.
func (g *guard) actionSent() bool { return g.sent.Load() }

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.check(req); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	resp, err := g.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxResponse}
	return resp, nil
}

func (g *guard) check(req *http.Request) error {
	// Links come from the BMC: one such as "@elsewhere/..." behind the endpoint would carry the login away.
	if req.URL.Scheme != "https" || req.URL.Host != g.host || req.URL.User != nil {
		return fmt.Errorf("%w: %w: a link leads away from the BMC", fencing.ErrProtocol, errGuard)
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return nil
	case http.MethodPost:
		if g.loginAllowed {
			g.loginAllowed = false // one login per call
			return nil
		}
		if g.action != "" && req.URL.RequestURI() == g.action && g.sent.CompareAndSwap(false, true) {
			return nil
		}
	case http.MethodDelete:
		if g.logoutAllowed {
			g.logoutAllowed = false
			return nil
		}
	}
	return fmt.Errorf("%w: %w: %s is not what this call is for", fencing.ErrProtocol, errGuard, req.Method)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (g *guard) CloseIdleConnections() { g.transport.CloseIdleConnections() }

// checkRedirect follows readings only; the guard refuses other hosts. A redirected action or login would be sent twice.
func checkRedirect(_ *http.Request, via []*http.Request) error {
	if via[0].Method != http.MethodGet || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// boundedBody fails, rather than ends, when an answer is too long: half an answer must not look like a whole one.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: an answer is longer than %d bytes", fencing.ErrProtocol, maxResponse)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
