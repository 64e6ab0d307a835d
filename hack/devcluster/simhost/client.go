// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhost

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// ControlPath is the path of the collection of machines in the control API.
const ControlPath = "/sim/v1/hosts"

// MaxWait bounds one long poll; sim-bmc answers with the unchanged state after it.
const MaxWait = 30 * time.Second

// maxResponse bounds what is read of an answer: 1000 machines with 100 power actions each fit several times.
const maxResponse = 64 << 20

// Client speaks to sim-bmc's control API. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient makes a client of the control API at baseURL (https://127.0.0.1:PORT). caPEM is the certificate authority
// of its certificate.
func NewClient(baseURL, token string, caPEM []byte) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("control URL %q: want https://HOST:PORT", baseURL)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caPEM) {
		return nil, errors.New("CA of the control API: no PEM certificate in it")
	}
	return &Client{
		base:  "https://" + u.Host,
		token: strings.TrimSpace(token),
		http: &http.Client{Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     MaxWait,
		}},
	}, nil
}

// NewClientFromFiles is NewClient with token and CA read from files, as the simulators' flags name them.
func NewClientFromFiles(baseURL, tokenFile, caFile string) (*Client, error) {
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("token of the control API: %w", err)
	}
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("CA of the control API: %w", err)
	}
	return NewClient(baseURL, string(token), ca)
}

// Close drops the client's idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Hosts returns the state of all machines now.
func (c *Client) Hosts(ctx context.Context) (Snapshot, error) {
	return c.get(ctx, "")
}

// Watch returns the state as soon as its revision is above since, or the unchanged state after wait (at most MaxWait).
// Call it in a loop with the revision of the answer before.
func (c *Client) Watch(ctx context.Context, since int64, wait time.Duration) (Snapshot, error) {
	wait = min(max(wait, 0), MaxWait)
	return c.get(ctx, fmt.Sprintf("?since=%d&wait=%g", since, wait.Seconds()))
}

// Host returns the state of one machine now.
func (c *Client) Host(ctx context.Context, name string) (HostState, error) {
	snap, err := c.Hosts(ctx)
	if err != nil {
		return HostState{}, err
	}
	host, ok := snap.Host(name)
	if !ok {
		return HostState{}, fmt.Errorf("sim-bmc knows no machine %q", name)
	}
	return host, nil
}

// WaitFor waits until the machine is as the condition wants it, and returns the state that satisfied it. It ends with
// ctx.
func (c *Client) WaitFor(ctx context.Context, name string, cond func(HostState) bool) (HostState, error) {
	var since int64
	for {
		snap, err := c.Watch(ctx, since, MaxWait)
		if err != nil {
			return HostState{}, fmt.Errorf("waiting for machine %q: %w", name, err)
		}
		host, ok := snap.Host(name)
		if !ok {
			return HostState{}, fmt.Errorf("sim-bmc knows no machine %q", name)
		}
		if cond(host) {
			return host, nil
		}
		since = snap.Revision
	}
}

// Set changes a machine and returns its state after the change.
func (c *Client) Set(ctx context.Context, name string, patch Patch) (HostState, error) {
	body, err := json.Marshal(patch)
	if err != nil {
		return HostState{}, err
	}
	var host HostState
	err = c.do(ctx, http.MethodPatch, ControlPath+"/"+url.PathEscape(name), body, &host)
	return host, err
}

// SetPower changes the power at once: SetPower(ctx, name, PowerOff) is a power cut.
func (c *Client) SetPower(ctx context.Context, name, power string) (HostState, error) {
	return c.Set(ctx, name, Patch{Power: &power})
}

func (c *Client) get(ctx context.Context, query string) (Snapshot, error) {
	var snap Snapshot
	err := c.do(ctx, http.MethodGet, ControlPath+query, nil, &snap)
	return snap, err
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("control API of sim-bmc: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return fmt.Errorf("control API of sim-bmc: %s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("control API of sim-bmc: %s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(raw))
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("control API of sim-bmc: %s %s: %w", method, path, err)
	}
	return nil
}
