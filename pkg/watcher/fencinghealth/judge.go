// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fencinghealth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/identity"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

// The reasons of the condition.
const (
	ReasonReady            = "Ready"
	ReasonUnreachable      = "BMCUnreachable"
	ReasonTLS              = "TLSFailed"
	ReasonAuth             = "AuthFailed"
	ReasonNoSuchSystem     = "NoSuchSystem"
	ReasonUnusable         = "BMCUnusable"
	ReasonPowerUnknown     = "PowerUnknown"
	ReasonIdentityMismatch = "IdentityMismatch"
	ReasonIdentityAbsent   = "IdentityAbsent"
	ReasonOffWhileReady    = "OffWhileNodeReady"
	ReasonMappedTwice      = "MappedTwice"
)

const (
	// patience is how many readings in a row must fail before the condition says so.
	patience = 2
	// beatAfter is by how much a Lease must have changed after a reading of Off to contradict it: what the node sent before it
	// lost power may arrive a little later.
	beatAfter = 5 * time.Second
)

// verdict is a value of the condition. The zero value says nothing.
type verdict struct {
	ready           bool
	reason, message string
}

func (v verdict) disables() bool {
	return !v.ready && (v.reason == ReasonOffWhileReady || v.reason == ReasonMappedTwice)
}

func (v verdict) text() string { return v.reason + ": " + v.message }

// current is what the node's condition says.
func current(node *corev1.Node) verdict {
	if node == nil {
		return verdict{}
	}
	c := observe.Condition(node, failurev1alpha1.ConditionFencingReady)
	if c == nil {
		return verdict{}
	}
	return verdict{ready: c.Status == corev1.ConditionTrue, reason: c.Reason, message: c.Message}
}

// judge says what a reading that began at began means. others are nodes of which the verdict holds as well; soon asks for another reading
// at once. A zero verdict leaves the condition as it is.
func (c *Checker) judge(node string, began time.Time, reading fencing.Reading, err error) (v verdict, others []string, soon bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[node]
	// What disabled the driver stays until it is disproved: an error in between does not.
	disabled := h.distrusted
	if now := current(c.Nodes.Get(node)); disabled.reason == "" && now.disables() {
		disabled = now
	}
	if shared := c.shared[node]; len(shared) > 0 {
		return c.distrust(h, ReasonMappedTwice, fmt.Sprintf("one system is configured for the nodes %s", strings.Join(shared, ", "))), nil, false
	}
	if err != nil {
		h.failures++
		h.off = time.Time{}
		if h.failures < patience {
			return disabled, nil, true
		}
		if disabled.reason != "" {
			return disabled, nil, false
		}
		return verdict{reason: reasonOf(err), message: err.Error()}, nil, false
	}
	h.uuid = normal(reading.SystemUUID)
	if twins := c.twins(node, h.uuid); len(twins) > 0 {
		h.failures = 0
		names := append([]string{node}, twins...)
		slices.Sort(names)
		text := fmt.Sprintf("the BMCs of the nodes %s tell the same System UUID %s: at most one can be right; check fencing.redfish",
			strings.Join(names, ", "), reading.SystemUUID)
		for _, twin := range twins {
			c.distrust(c.hosts[twin], ReasonMappedTwice, text)
		}
		return c.distrust(h, ReasonMappedTwice, text), twins, false
	}
	if v := c.identity(node, reading); v.reason != "" {
		h.failures, h.off = 0, time.Time{}
		if disabled.reason != "" {
			return disabled, nil, false
		}
		return v, nil, false
	}
	v, soon = c.power(node, h, began, reading, disabled)
	return v, nil, soon
}

// power judges a reading of the right machine.
func (c *Checker) power(node string, h *host, began time.Time, reading fencing.Reading, disabled verdict) (v verdict, soon bool) {
	switch reading.Power {
	case fencing.PowerOn:
		h.failures, h.off, h.distrusted = 0, time.Time{}, verdict{}
		return verdict{ready: true, reason: ReasonReady, message: fmt.Sprintf("system %s at %s is readable, On, and the node's",
			reading.SystemID, reading.Endpoint)}, false
	case fencing.PowerOff:
		h.failures = 0
		if h.off.IsZero() {
			h.off = c.Clock.Now()
			return disabled, true
		}
		lease := c.Tracker.Lease(node)
		ready := observe.View(c.Nodes.Get(node), lease, "").Ready == string(corev1.ConditionTrue)
		if ready && lease.LastChange.After(h.off.Add(beatAfter)) && began.After(lease.LastChange) {
			return c.distrust(h, ReasonOffWhileReady, fmt.Sprintf("system %s at %s says Off while the node is Ready and renews its Lease",
				reading.SystemID, reading.Endpoint)), false
		}
		// Either the node is dying, which is an incident's business, or its next beat contradicts the BMC.
		return disabled, true
	case fencing.PowerTransitional, fencing.PowerUnknown:
	}
	h.off = time.Time{}
	if h.failures++; h.failures < patience || disabled.reason != "" {
		return disabled, true
	}
	return verdict{reason: ReasonPowerUnknown, message: fmt.Sprintf("system %s at %s says neither On nor Off", reading.SystemID, reading.Endpoint)}, false
}

// identity returns the zero verdict when the machine is the node's.
func (c *Checker) identity(node string, reading fencing.Reading) verdict {
	n := c.Nodes.Get(node)
	if n == nil {
		return verdict{}
	}
	same := identity.SameMachine(n.Status.NodeInfo.SystemUUID, reading.SystemUUID)
	if same == identity.Same {
		return verdict{}
	}
	if c.Override != nil {
		if o := c.Override(node); o != "" && identity.SameMachine(o, reading.SystemUUID) == identity.Same {
			return verdict{}
		}
	}
	v := verdict{reason: ReasonIdentityMismatch, message: fmt.Sprintf("system %s at %s has UUID %q, the node has %q: it is another machine",
		reading.SystemID, reading.Endpoint, reading.SystemUUID, n.Status.NodeInfo.SystemUUID)}
	if same == identity.Absent {
		v.reason = ReasonIdentityAbsent
		v.message = fmt.Sprintf("system %s at %s has UUID %q, the node has %q: that does not identify a machine; consider identityOverride",
			reading.SystemID, reading.Endpoint, reading.SystemUUID, n.Status.NodeInfo.SystemUUID)
	}
	return v
}

func (c *Checker) distrust(h *host, reason, message string) verdict {
	h.distrusted = verdict{reason: reason, message: message}
	return h.distrusted
}

// twins are the other nodes whose BMCs told the same UUID in their last reading.
func (c *Checker) twins(node, uuid string) []string {
	if identity.SameMachine(uuid, uuid) != identity.Same {
		return nil // tells nothing that identifies a machine
	}
	var twins []string
	for other, h := range c.hosts {
		if other != node && h.uuid == uuid {
			twins = append(twins, other)
		}
	}
	slices.Sort(twins)
	return twins
}

// normal makes two tellings of one BMC equal. Two byte orders of one machine are not found: one BMC tells one.
func normal(uuid string) string { return strings.ToLower(strings.TrimSpace(uuid)) }

func reasonOf(err error) string {
	switch {
	case errors.Is(err, fencing.ErrAuth):
		return ReasonAuth
	case errors.Is(err, fencing.ErrTLS):
		return ReasonTLS
	case errors.Is(err, fencing.ErrNoSuchSystem):
		return ReasonNoSuchSystem
	case errors.Is(err, fencing.ErrUnreachable):
		return ReasonUnreachable
	default:
		return ReasonUnusable
	}
}
