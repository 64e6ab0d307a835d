// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package identity decides whether a node and a BMC's system are the same machine, by their SMBIOS system UUIDs.
//
// It compares two texts and nothing else. That a match is needed before any action or proof, and what an administrator
// may override, is the business of pkg/decide/failover.
package identity

import (
	"encoding/hex"
	"strings"
)

// Verdict is the outcome of a comparison.
type Verdict int

const (
	// Absent means that at least one side tells no UUID that could identify a machine. Nothing is known; treat as no match.
	Absent Verdict = iota
	// Mismatch means that both tell one, and these are of different machines.
	Mismatch
	// Same means that both tell the same one, in one byte order or the other.
	Same
)

// String returns the verdict's name.
func (v Verdict) String() string {
	switch v {
	case Same:
		return "Same"
	case Mismatch:
		return "Mismatch"
	case Absent:
		return "Absent"
	}
	return "invalid"
}

// uuid is the 16 bytes in the order in which they are written.
type uuid [16]byte

// SameMachine compares a node's status.nodeInfo.systemUUID with what a BMC tells.
//
// SMBIOS stores the first three fields of the UUID (4, 2 and 2 bytes) little-endian since version 2.6 (DMTF DSP0134,
// "System — UUID"); firmware, operating systems and BMCs disagree about turning them when they write the UUID down, so
// that one machine may be told as 4c4c4544-0042-3510-... here and as 44454c4c-4200-1035-... there. Both are the same.
// Case, dashes, surrounding white space, braces and a urn:uuid: prefix do not matter.
//
// Not an identity (Absent): a text that is not 32 hexadecimal digits, and the placeholders of isPlaceholder.
func SameMachine(nodeSystemUUID, bmcUUID string) Verdict {
	node, ok := parse(nodeSystemUUID)
	if !ok || isPlaceholder(node) {
		return Absent
	}
	bmc, ok := parse(bmcUUID)
	if !ok || isPlaceholder(bmc) {
		return Absent
	}
	if node == bmc || node == swap(bmc) {
		return Same
	}
	return Mismatch
}

// parse reads a UUID.
func parse(text string) (uuid, bool) {
	text = strings.TrimSpace(text)
	if len(text) > 9 && strings.EqualFold(text[:9], "urn:uuid:") {
		text = text[9:]
	}
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		if text, ok = strings.CutSuffix(inner, "}"); !ok {
			return uuid{}, false
		}
	}
	var u uuid
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != len(u) {
		return uuid{}, false
	}
	copy(u[:], raw)
	return u, true
}

// swap turns the bytes of the first three fields; it is its own inverse.
func swap(u uuid) uuid {
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5] = u[5], u[4]
	u[6], u[7] = u[7], u[6]
	return u
}
