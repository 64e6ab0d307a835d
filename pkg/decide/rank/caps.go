// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package rank

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// The range of overcommitment that may be asked for, in percent, both ends included.
const (
	MinOvercommit int64 = 10
	MaxOvercommit int64 = 10000
)

// maxCapsText is the length, in bytes, of what ParseCaps looks at: more than anybody needs, and little enough for an event.
const maxCapsText = 64

// Caps are how far one host may be filled with guests, in percent; 0 is no cap.
type Caps struct {
	// CPU is the number of vCPUs per 100 host CPUs.
	CPU int64
	// Memory is guest memory in percent of the host's. Where it is set, huge pages are counted too, each once.
	Memory int64
}

// String says the caps as ParseCaps reads them; "none" when there are none.
func (c Caps) String() string {
	var parts []string
	if c.CPU > 0 {
		parts = append(parts, "cpu="+strconv.FormatInt(c.CPU, 10))
	}
	if c.Memory > 0 {
		parts = append(parts, "memory="+strconv.FormatInt(c.Memory, 10))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ",")
}

// Any is true when there is a cap.
func (c Caps) Any() bool { return c.CPU > 0 || c.Memory > 0 }

// Overridden returns c with the caps that by names in their place.
func (c Caps) Overridden(by Caps) Caps {
	if by.CPU > 0 {
		c.CPU = by.CPU
	}
	if by.Memory > 0 {
		c.Memory = by.Memory
	}
	return c
}

// Raised is true when some guests may fit a host with caps c and the given room that did not fit it as it was before.
// pageSize is the pool of memory that matters.
func (c Caps) Raised(room model.Room, before Caps, roomBefore model.Room, pageSize int64) bool {
	if before.CPU > 0 && (c.CPU == 0 || c.CPU > before.CPU || room.MilliCPU > roomBefore.MilliCPU) {
		return true
	}
	if before.Memory <= 0 {
		return false
	}
	return c.Memory == 0 || room.Memory > roomBefore.Memory ||
		(pageSize == model.OrdinaryMemory && c.Memory > before.Memory)
}

// Excess says which caps are exceeded; 0 is none.
type Excess uint8

// What may be exceeded.
const (
	ExcessVCPUs Excess = 1 << iota
	ExcessMemory
	ExcessHugePages
)

// Exceeded returns the caps that the guests of a host exceed; pageSize is the pool of memory that room and guests
// speak of. It is exact for all numbers that are not negative; negative ones count as nothing.
//
// A vCPU that owns a host CPU takes it away from the others: shared vCPUs are measured by what is left of the CPUs.
// Huge pages are never overcommitted, nor kept free: only when there are not enough of them the cap is exceeded.
func (c Caps) Exceeded(room model.Room, guests model.Guests, pageSize int64) Excess {
	const milli, percent = 1000, 100
	var excess Excess
	if c.CPU > 0 {
		need := product(guests.SharedVCPUs, milli*percent).plus(product(guests.DedicatedVCPUs, milli*c.CPU))
		if need.exceeds(product(room.MilliCPU, c.CPU)) {
			excess |= ExcessVCPUs
		}
	}
	switch {
	case c.Memory <= 0:
	case pageSize != model.OrdinaryMemory:
		if guests.Memory > max(room.Memory, 0) {
			excess |= ExcessHugePages
		}
	case product(guests.Memory, percent).exceeds(product(room.Memory, c.Memory)):
		excess |= ExcessMemory
	}
	return excess
}

const capsUsage = "; write cpu=PERCENT, memory=PERCENT, or both with a comma"

// ParseCaps reads the caps of one host as its owner writes them: "cpu=400,memory=100", in any order, or one of the
// two. Both are whole numbers of percent from MinOvercommit to MaxOvercommit. The error names all that is wrong; then
// nothing of the text counts.
func ParseCaps(text string) (Caps, error) {
	if len(text) > maxCapsText {
		return Caps{}, fmt.Errorf("%q... is longer than %d bytes%s", text[:maxCapsText], maxCapsText, capsUsage)
	}
	var caps Caps
	var faults []string
	for rest, more := text, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		if err := caps.parse(part); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if len(faults) > 0 {
		return Caps{}, fmt.Errorf("%q: %s%s", text, strings.Join(faults, ", "), capsUsage)
	}
	return caps, nil
}

func (c *Caps) parse(part string) error {
	name, value, ok := strings.Cut(part, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok {
		return fmt.Errorf("%q is not NAME=PERCENT", part)
	}
	var into *int64
	switch name {
	case "cpu":
		into = &c.CPU
	case "memory":
		into = &c.Memory
	default:
		return fmt.Errorf("%q is neither cpu nor memory", name)
	}
	if *into != 0 {
		return fmt.Errorf("%s is there twice", name)
	}
	percent, err := strconv.ParseUint(value, 10, 16)
	if err != nil || int64(percent) < MinOvercommit || int64(percent) > MaxOvercommit {
		return fmt.Errorf("%s: %q is no whole number from %d to %d", name, value, MinOvercommit, MaxOvercommit)
	}
	*into = int64(percent)
	return nil
}

// wide is a number of 128 bits: room for a product of any amount with a percentage.
type wide struct{ hi, lo uint64 }

// product of two numbers; negative ones count as 0.
func product(a, b int64) wide {
	hi, lo := bits.Mul64(uint64(max(a, 0)), uint64(max(b, 0)))
	return wide{hi, lo}
}

// plus adds; the products here are far below the greatest sum.
func (w wide) plus(v wide) wide {
	lo, carry := bits.Add64(w.lo, v.lo, 0)
	hi, _ := bits.Add64(w.hi, v.hi, carry)
	return wide{hi, lo}
}

func (w wide) exceeds(v wide) bool { return w.hi > v.hi || (w.hi == v.hi && w.lo > v.lo) }
