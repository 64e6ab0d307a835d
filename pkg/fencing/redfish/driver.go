// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package redfish reads and switches machines through the Redfish services of their BMCs.
//
// What lives here: the way to one system of one BMC and back, and the translation of what can go wrong on it. What may
// not: retries (the caller decides, after reading again), caches (a reading is of now or it is an error) and opinions on
// what a reading means.
package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

// Name is the driver's name.
const Name = "redfish"

// DefaultReadTimeout bounds one reading unless Options says otherwise.
const DefaultReadTimeout = 5 * time.Second

// powerOffTimeouts is by how much a power-off may take longer than a reading: it opens a connection for each request.
const powerOffTimeouts = 2

// Options configure the driver.
type Options struct {
	// Hosts maps nodes to BMCs, at most one per node.
	Hosts []fencing.Host
	// Credentials finds the BMCs' logins.
	Credentials fencing.CredentialSource
	// ReadTimeout bounds one reading, from connecting to the last byte; zero means DefaultReadTimeout. A power-off may
	// take twice as long.
	ReadTimeout time.Duration
}

// Driver is the Redfish driver.
type Driver struct {
	hosts       map[string]target
	credentials fencing.CredentialSource
	readTimeout time.Duration
}

// target is a host with its endpoint parsed.
type target struct {
	fencing.Host
	url *url.URL
}

var _ fencing.Driver = &Driver{}

// New checks the configuration and makes a driver. It does not talk to any BMC.
func New(opts Options) (*Driver, error) {
	d := &Driver{hosts: map[string]target{}, credentials: opts.Credentials, readTimeout: opts.ReadTimeout}
	if d.readTimeout == 0 {
		d.readTimeout = DefaultReadTimeout
	}
	var errs []error
	if d.readTimeout < 0 {
		errs = append(errs, fmt.Errorf("readTimeout %s: must be positive", d.readTimeout))
	}
	if d.credentials == nil {
		errs = append(errs, errors.New("no source of credentials"))
	}
	for i, host := range opts.Hosts {
		t, err := newTarget(host)
		if err != nil {
			errs = append(errs, fmt.Errorf("hosts[%d] (node %q): %w", i, host.NodeName, err))
			continue
		}
		if _, ok := d.hosts[host.NodeName]; ok {
			errs = append(errs, fmt.Errorf("hosts[%d] (node %q): the node has a BMC already", i, host.NodeName))
		}
		d.hosts[host.NodeName] = t
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("fencing driver %s: %w", Name, errors.Join(errs...))
	}
	return d, nil
}

func newTarget(host fencing.Host) (target, error) {
	var errs []error
	if host.NodeName == "" {
		errs = append(errs, errors.New("nodeName is missing"))
	}
	if host.SystemID == "" {
		errs = append(errs, errors.New("systemID is missing: the first system of a BMC need not be the machine"))
	}
	if host.CredentialsSecret == "" {
		errs = append(errs, errors.New("credentialsSecret is missing"))
	}
	u, err := url.Parse(host.Endpoint)
	switch {
	case err != nil: // without the text: what does not parse may contain a password
		errs = append(errs, errors.New("endpoint is no URL, want https://HOST[:PORT]"))
	case u.User != nil:
		errs = append(errs, errors.New("endpoint contains a user: put the login in the Secret"))
	case u.Scheme != "https":
		errs = append(errs, fmt.Errorf("endpoint has scheme %q, want https: a login never travels in the clear", u.Scheme))
	case u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "":
		errs = append(errs, errors.New("endpoint must be https://HOST[:PORT] and nothing more"))
	}
	if len(errs) == 0 {
		_, err := rootCAs(host.CAFile)
		return target{Host: host, url: &url.URL{Scheme: "https", Host: u.Host}}, err
	}
	return target{}, errors.Join(errs...)
}

// Name implements fencing.Driver.
func (d *Driver) Name() string { return Name }

// Configured implements fencing.Driver.
func (d *Driver) Configured(node string) bool {
	_, ok := d.hosts[node]
	return ok
}

// Read implements fencing.Driver. Its requests share a connection, which is closed when it returns.
func (d *Driver) Read(ctx context.Context, node string) (fencing.Reading, error) {
	t, ok := d.hosts[node]
	if !ok {
		return fencing.Reading{}, fmt.Errorf("%s: node %s: %w", Name, node, fencing.ErrNotConfigured)
	}
	ctx, cancel := context.WithTimeout(ctx, d.readTimeout)
	defer cancel()
	system, err := d.read(ctx, t)
	if err != nil {
		return fencing.Reading{}, t.explain("reading", err)
	}
	return fencing.Reading{
		Power: power(system.PowerState), SystemUUID: system.UUID, SystemID: system.ID, Endpoint: t.Endpoint,
	}, nil
}

func (d *Driver) read(ctx context.Context, t target) (*schemas.ComputerSystem, error) {
	c, err := d.connect(ctx, t, true)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.findSystem(t.SystemID)
}

// PowerOff implements fencing.Driver. Its requests each have a connection of their own, so that no HTTP layer has a
// reason to send the action a second time.
func (d *Driver) PowerOff(ctx context.Context, node string) error {
	t, ok := d.hosts[node]
	if !ok {
		return fmt.Errorf("%s: node %s: %w: %w", Name, node, fencing.ErrNotConfigured, fencing.ErrNotSent)
	}
	ctx, cancel := context.WithTimeout(ctx, powerOffTimeouts*d.readTimeout)
	defer cancel()
	c, err := d.connect(ctx, t, false)
	if err != nil {
		return t.explain("power-off", notSent(err))
	}
	defer c.close()
	system, err := c.findSystem(t.SystemID)
	if err != nil {
		return t.explain("power-off", notSent(err))
	}
	if err := c.forceOff(system); err != nil {
		return t.explain("power-off", err)
	}
	return nil
}

// power translates a PowerState. Only the exact words of the specification count: a BMC that spells them otherwise is
// not one to believe in.
func power(state schemas.PowerState) fencing.PowerState {
	switch state {
	case schemas.OnPowerState:
		return fencing.PowerOn
	case schemas.OffPowerState:
		return fencing.PowerOff
	case schemas.PoweringOnPowerState, schemas.PoweringOffPowerState, schemas.PausedPowerState:
		return fencing.PowerTransitional
	default:
		return fencing.PowerUnknown
	}
}
