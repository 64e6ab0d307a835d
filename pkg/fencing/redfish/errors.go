// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package redfish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

// kinds are the errors of package fencing that a driver's error is one of.
var kinds = []error{
	fencing.ErrUnreachable, fencing.ErrTLS, fencing.ErrAuth, fencing.ErrNoSuchSystem, fencing.ErrRefused, fencing.ErrProtocol,
}

// unsentError marks an error that came before any action was sent.
type unsentError struct{ error }

func (e unsentError) Unwrap() []error { return []error{e.error, fencing.ErrNotSent} }

func notSent(err error) error { return unsentError{err} }

// explain makes the error that callers see: what, about which node and BMC, of which kind, and why.
func (t target) explain(what string, err error) error {
	var answer *schemas.Error
	if !errors.As(err, &answer) || answer.HTTPReturnedStatusCode == 0 { // 0: gofish's own, an answer broke off
		return t.wrap(what, err, err)
	}
	// What a BMC writes into an error may quote the request, login included: only the status and the ids of its
	// messages are passed on, which are words of a registry.
	said := fmt.Errorf("HTTP %d %s", answer.HTTPReturnedStatusCode, http.StatusText(answer.HTTPReturnedStatusCode))
	if ids := messageIDs(answer); len(ids) > 0 {
		said = fmt.Errorf("%w (%s)", said, strings.Join(ids, ", "))
	}
	return t.wrap(what, err, said)
}

func (t target) wrap(what string, err, said error) error {
	kind := classify(err)
	if errors.Is(said, kind) { // the kind's words are in it
		kind = nil
	}
	text := fmt.Sprintf("%s: %s node %s at %s", Name, what, t.NodeName, t.Endpoint)
	wrapped := fmt.Errorf("%s: %w", text, said)
	if kind != nil {
		wrapped = fmt.Errorf("%s: %w: %w", text, kind, said)
	}
	if errors.Is(err, fencing.ErrNotSent) && !errors.Is(wrapped, fencing.ErrNotSent) {
		wrapped = unsentError{wrapped}
	}
	return wrapped
}

// classify finds the kind of an error.
func classify(err error) error {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return kind
		}
	}
	var answer *schemas.Error
	if errors.As(err, &answer) && answer.HTTPReturnedStatusCode != 0 {
		return classifyStatus(answer.HTTPReturnedStatusCode)
	}
	if isTLS(err) {
		return fencing.ErrTLS
	}
	var transport *url.Error
	var network *net.OpError
	if errors.As(err, &transport) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fencing.ErrUnreachable // time-outs, connections refused, reset or cut off, names not found
	}
	return fencing.ErrProtocol // an answer came: it is half of one, no JSON, or not what was asked for
}

func classifyStatus(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fencing.ErrAuth
	case http.StatusNotFound, http.StatusGone:
		return fencing.ErrNoSuchSystem
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return fencing.ErrUnreachable
	default:
		return fencing.ErrProtocol
	}
}

func isTLS(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		record       tls.RecordHeaderError
		alert        tls.AlertError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}

// messageIDs returns at most three ids of the messages in a BMC's error, of the form that registries give them:
// anything else is left out.
func messageIDs(answer *schemas.Error) []string {
	candidates := []string{answer.Code}
	for _, info := range answer.ExtendedInfos {
		candidates = append(candidates, info.MessageID)
	}
	var ids []string
	for _, id := range candidates {
		if isMessageID(id) && !slices.Contains(ids, id) && len(ids) < 3 {
			ids = append(ids, id)
		}
	}
	return ids
}

// isMessageID says whether a text is Registry.Major.Minor.Message, e.g. Base.1.18.ResourceInUse.
func isMessageID(id string) bool {
	parts := strings.Split(id, ".")
	if len(parts) < 3 || len(parts) > 5 || len(id) > 100 {
		return false
	}
	for i, part := range parts {
		digits := i > 0 && i < len(parts)-1
		if part == "" || strings.ContainsFunc(part, func(r rune) bool {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			number := r >= '0' && r <= '9'
			return !number && (digits || !letter)
		}) {
			return false
		}
	}
	return true
}
