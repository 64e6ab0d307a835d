// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

const (
	// maxSystems bounds how many systems of a BMC are looked through; the largest chassis have a few dozen.
	maxSystems = 128
	// maxLink bounds a link's length in bytes.
	maxLink = 512
	// logoutTimeout bounds the logout, which happens also when the call's own time is over: BMCs have few sessions.
	logoutTimeout = 2 * time.Second
)

// conn is one call's way to a BMC.
type conn struct {
	ctx   context.Context
	api   *gofish.APIClient
	guard *guard
}

// connect opens the way: the service root, and the login.
func (d *Driver) connect(ctx context.Context, t target, reuse bool) (*conn, error) {
	username, password, err := d.credentials.Credentials(ctx, t.CredentialsSecret)
	if err != nil {
		return nil, fmt.Errorf("%w: Secret %q: %w", fencing.ErrAuth, t.CredentialsSecret, err)
	}
	if username == "" || password == "" {
		return nil, fmt.Errorf("%w: Secret %q has no username or no password", fencing.ErrAuth, t.CredentialsSecret)
	}
	guard, err := newGuard(t, d.readTimeout)
	if err != nil {
		return nil, err
	}
	guard.loginAllowed = t.UseSession
	api, err := gofish.ConnectContext(ctx, gofish.ClientConfig{
		Endpoint:  t.url.String(),
		Username:  username,
		Password:  password,
		BasicAuth: !t.UseSession,
		HTTPClient: &http.Client{
			Transport:     guard,
			CheckRedirect: checkRedirect,
		},
		ReuseConnections:  reuse,
		NoModifyTransport: true,
	})
	guard.loginAllowed = false
	if err != nil {
		guard.CloseIdleConnections()
		if errors.Is(classify(err), fencing.ErrNoSuchSystem) { // 404: there is no Redfish at all
			err = fmt.Errorf("%w: service root: %w", fencing.ErrProtocol, err)
		}
		return nil, err
	}
	return &conn{ctx: ctx, api: api, guard: guard}, nil
}

// close logs a session out and closes the connections.
func (c *conn) close() {
	defer c.guard.CloseIdleConnections()
	session, err := c.api.GetSession()
	if err != nil {
		return // basic authentication: nothing to log out of
	}
	// gofish's Logout would go on for ever once the context is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), logoutTimeout)
	defer cancel()
	c.guard.logoutAllowed = true
	// A session that stays behind is the BMC's to expire; nothing that was read or done depends on it.
	resp, _ := c.api.WithContext(ctx).Delete(session.ID)
	schemas.DeferredCleanupHTTPResponse(resp)
}

// findSystem reads the system with the id, never another one.
func (c *conn) findSystem(id string) (*schemas.ComputerSystem, error) {
	members, err := c.systemLinks()
	if err != nil {
		return nil, err
	}
	// As a rule the id is the last part of the link, so that one request is enough; it is the Id that counts.
	slices.SortStableFunc(members, func(a, b string) int { return rank(a, id) - rank(b, id) })
	var failed error
	for _, member := range members {
		if err := checkLink(member); err != nil {
			return nil, fmt.Errorf("member of the collection of systems: %w", err)
		}
		system, err := schemas.GetComputerSystem(c.api, member)
		switch {
		case err == nil && system.ID == id:
			return system, nil
		case err != nil && c.ctx.Err() != nil:
			return nil, fmt.Errorf("system %s: %w", member, err)
		case err != nil && failed == nil: // another system that is broken does not hide ours
			failed = fmt.Errorf("system %s: %w", member, err)
		}
	}
	if failed != nil {
		return nil, failed
	}
	return nil, fmt.Errorf("%w: none of %d has the id %q", fencing.ErrNoSuchSystem, len(members), id)
}

// rank is 0 for a link that looks like that of the id.
func rank(link, id string) int {
	last := path.Base(link)
	if unescaped, err := url.PathUnescape(last); err == nil {
		last = unescaped
	}
	if last == id {
		return 0
	}
	return 1
}

// systemLinks lists the BMC's systems, following the links of the service root and of a collection in pages.
func (c *conn) systemLinks() ([]string, error) {
	var root struct {
		Systems struct {
			ID string `json:"@odata.id"`
		} `json:"Systems"`
	}
	resp, err := c.api.Get(schemas.DefaultServiceRoot)
	if err != nil {
		return nil, fmt.Errorf("service root: %w", err)
	}
	err = json.NewDecoder(resp.Body).Decode(&root)
	schemas.DeferredCleanupHTTPResponse(resp)
	if err != nil {
		return nil, fmt.Errorf("service root: %w", err)
	}
	var members []string
	for page, seen := root.Systems.ID, map[string]bool{}; page != ""; {
		if seen[page] {
			return nil, fmt.Errorf("%w: the collection of systems goes round in circles", fencing.ErrProtocol)
		}
		seen[page] = true
		if err := checkLink(page); err != nil {
			return nil, fmt.Errorf("collection of systems: %w", err)
		}
		collection, err := schemas.GetCollection(c.api, page)
		if err != nil {
			return nil, fmt.Errorf("collection of systems: %w", err)
		}
		members = append(members, collection.ItemLinks...)
		if len(members) > maxSystems || len(seen) > maxSystems {
			return nil, fmt.Errorf("%w: more than %d systems", fencing.ErrProtocol, maxSystems)
		}
		page = collection.MembersNextLink
	}
	return members, nil
}

// forceOff asks for ForceOff, once.
func (c *conn) forceOff(system *schemas.ComputerSystem) error {
	var actions struct {
		Actions struct {
			Reset struct {
				Target string `json:"target"`
			} `json:"#ComputerSystem.Reset"`
		} `json:"Actions"`
	}
	if err := json.Unmarshal(system.RawData, &actions); err != nil {
		return notSent(fmt.Errorf("actions of the system: %w", err))
	}
	target := actions.Actions.Reset.Target
	if err := checkLink(target); err != nil {
		return notSent(fmt.Errorf("target of the reset action: %w", err))
	}
	allowed, err := system.GetSupportedResetTypes()
	if err != nil {
		return notSent(fmt.Errorf("reset types: %w", err))
	}
	// A BMC that lists nothing takes what it takes; one that lists must list the forced power-off. A graceful shutdown is
	// no substitute: it asks the very operating system that is taken for dead.
	if len(allowed) > 0 && !slices.Contains(allowed, schemas.ForceOffResetType) {
		return notSent(fmt.Errorf("%w: the system does not allow %s but %v", fencing.ErrRefused, schemas.ForceOffResetType, allowed))
	}
	c.guard.allowAction(target)
	// Not through gofish's Reset: it sends the action again after 412 Precondition Failed.
	resp, err := c.api.Post(target, map[string]any{"ResetType": schemas.ForceOffResetType})
	schemas.DeferredCleanupHTTPResponse(resp)
	if err != nil && !c.guard.actionSent() {
		return notSent(err)
	}
	var answer *schemas.Error
	if errors.As(err, &answer) && answer.HTTPReturnedStatusCode != 0 && answer.HTTPReturnedStatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%w: %w", fencing.ErrRefused, err)
	}
	return err
}

// checkLink refuses what is no path on the BMC itself.
func checkLink(link string) error {
	if !strings.HasPrefix(link, "/") || strings.HasPrefix(link, "//") || len(link) > maxLink {
		return fmt.Errorf("%w: a link is missing, no path on the BMC, or too long", fencing.ErrProtocol)
	}
	return nil
}
