// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package rank

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

const gib = 1 << 30

func policy(strategy Strategy) Policy {
	return Policy{Strategy: strategy, VCPUWeight: 1, MemoryWeight: 1, CPUOvercommit: 400, MemoryOvercommit: 100}
}

func TestValue(t *testing.T) {
	// 16 CPUs are full at 64 vCPUs.
	room := model.Room{MilliCPU: 16000, Memory: 64 * gib}
	memoryOnly := policy(Least)
	memoryOnly.VCPUWeight = 0
	overcommitted := policy(Least)
	overcommitted.MemoryOvercommit = 200
	uneven := policy(Least)
	uneven.VCPUWeight, uneven.MemoryWeight = 3, 1
	tests := map[string]struct {
		policy   Policy
		room     model.Room
		guests   model.Guests
		pageSize int64
		want     int64
	}{
		"nothing placed": {policy: policy(Least), room: room, want: 0},
		"mean of vcpu and memory": {
			policy: policy(Least), room: room, guests: model.Guests{SharedVCPUs: 16, Memory: 32 * gib}, want: -375_000,
		},
		"weights count": {
			policy: uneven, room: room, guests: model.Guests{SharedVCPUs: 16, Memory: 32 * gib}, want: -312_500,
		},
		"a resource without weight does not count": {
			policy: memoryOnly, room: room, guests: model.Guests{SharedVCPUs: 1000, Memory: 32 * gib}, want: -500_000,
		},
		"a dedicated vcpu takes a whole CPU": {
			policy: policy(Least), room: room, guests: model.Guests{DedicatedVCPUs: 16}, want: -500_000,
		},
		"least goes on beyond full": {
			policy: policy(Least), room: room, guests: model.Guests{SharedVCPUs: 128, Memory: 64 * gib}, want: -1_500_000,
		},
		"memory overcommit stretches memory": {
			policy: overcommitted, room: room, guests: model.Guests{Memory: 64 * gib}, want: -250_000,
		},
		"but not huge pages": {
			policy: overcommitted, room: room, guests: model.Guests{Memory: 64 * gib}, pageSize: 2 << 20, want: -500_000,
		},
		"most likes a full host best": {
			policy: policy(Most), room: room, guests: model.Guests{SharedVCPUs: 64, Memory: 64 * gib}, want: Full,
		},
		"most, one resource beyond full": {
			policy: policy(Most), room: room, guests: model.Guests{SharedVCPUs: 128, Memory: 64 * gib}, want: -500_000,
		},
		"most, a hair beyond full": {
			policy: policy(Most), room: model.Room{MilliCPU: 16000, Memory: 1_000_000},
			guests: model.Guests{SharedVCPUs: 64, Memory: 1_000_001}, want: -1,
		},
		"no CPU at all": {
			policy: policy(Least), room: model.Room{Memory: 64 * gib}, guests: model.Guests{SharedVCPUs: 1}, want: -maxUtilization / 2,
		},
		"no CPU, none needed": {policy: policy(Least), room: model.Room{Memory: gib}, want: 0},
		"numbers beyond reason": {
			policy: policy(Least), room: model.Room{MilliCPU: 1, Memory: 1},
			guests: model.Guests{SharedVCPUs: math.MaxInt64, DedicatedVCPUs: math.MaxInt64, Memory: math.MaxInt64}, want: -maxUtilization,
		},
		"a policy without weights": {room: room, guests: model.Guests{SharedVCPUs: 16}, want: 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.policy.Value(tc.room, tc.guests, tc.pageSize); got != tc.want {
				t.Errorf("Value() = %d, want %d", got, tc.want)
			}
		})
	}
}

// anyPolicy draws valid policies, anyAmount any amount at all, absurd ones included.
func anyPolicy(strategy Strategy) *rapid.Generator[Policy] {
	return rapid.Custom(func(t *rapid.T) Policy {
		return Policy{
			Strategy:         strategy,
			VCPUWeight:       rapid.Int64Range(1, 100).Draw(t, "vcpu weight"),
			MemoryWeight:     rapid.Int64Range(0, 100).Draw(t, "memory weight"),
			CPUOvercommit:    rapid.Int64Range(10, 10000).Draw(t, "cpu overcommit"),
			MemoryOvercommit: rapid.Int64Range(10, 10000).Draw(t, "memory overcommit"),
		}
	})
}

func anyAmount() *rapid.Generator[int64] { return rapid.Int64Range(0, math.MaxInt64) }

func anyRoom() *rapid.Generator[model.Room] {
	return rapid.Custom(func(t *rapid.T) model.Room {
		return model.Room{MilliCPU: anyAmount().Draw(t, "milliCPU"), Memory: anyAmount().Draw(t, "memory")}
	})
}

func anyGuests() *rapid.Generator[model.Guests] {
	return rapid.Custom(func(t *rapid.T) model.Guests {
		return model.Guests{
			SharedVCPUs:    anyAmount().Draw(t, "shared"),
			DedicatedVCPUs: anyAmount().Draw(t, "dedicated"),
			Memory:         anyAmount().Draw(t, "guest memory"),
		}
	})
}

func anySize() *rapid.Generator[model.Size] {
	return rapid.Custom(func(t *rapid.T) model.Size {
		return model.Size{
			VCPUs: anyAmount().Draw(t, "vcpus"), Memory: anyAmount().Draw(t, "memory"),
			DedicatedCPUs: rapid.Bool().Draw(t, "dedicated"),
		}
	})
}

func TestValueIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(rapid.SampledFrom([]Strategy{Least, Most}).Draw(t, "strategy")).Draw(t, "policy")
		got := p.Value(anyRoom().Draw(t, "room"), anyGuests().Draw(t, "guests"), rapid.SampledFrom([]int64{0, 1 << 21}).Draw(t, "page"))
		if got < -maxUtilization || got > Full {
			t.Fatalf("Value() = %d, want it in [%d, %d]", got, -maxUtilization, Full)
		}
	})
}

// Least: another guest never makes a host better, and more room never makes it worse.
func TestLeastIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(Least).Draw(t, "policy")
		room, guests, size := anyRoom().Draw(t, "room"), anyGuests().Draw(t, "guests"), anySize().Draw(t, "another")
		before, after := p.Value(room, guests, 0), p.Value(room, guests.Plus(size, 0), 0)
		if after > before {
			t.Fatalf("another guest raised the value from %d to %d", before, after)
		}
		more := room
		more.MilliCPU += rapid.Int64Range(0, math.MaxInt64-room.MilliCPU).Draw(t, "more CPU")
		more.Memory += rapid.Int64Range(0, math.MaxInt64-room.Memory).Draw(t, "more memory")
		if got := p.Value(more, guests, 0); got < before {
			t.Fatalf("more room lowered the value from %d to %d", before, got)
		}
	})
}

// Most: another guest makes a host better as long as nothing is over full, and worse from there on; and any host that
// is not over full is better than any that is.
func TestMostIsMonotoneOnEitherSideOfFull(t *testing.T) {
	over := func(p Policy, room model.Room, guests model.Guests) bool {
		return (p.VCPUWeight > 0 && p.vcpuUtilization(room, guests) > Full) ||
			(p.MemoryWeight > 0 && p.memoryUtilization(room, guests, 0) > Full)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(Most).Draw(t, "policy")
		room := model.Room{
			MilliCPU: rapid.Int64Range(0, 512_000).Draw(t, "milliCPU"), Memory: rapid.Int64Range(0, 1<<42).Draw(t, "memory"),
		}
		guests := model.Guests{
			SharedVCPUs: rapid.Int64Range(0, 2048).Draw(t, "shared"), Memory: rapid.Int64Range(0, 1<<43).Draw(t, "guest memory"),
		}
		more := guests.Plus(model.Size{
			VCPUs: rapid.Int64Range(0, 512).Draw(t, "vcpus"), Memory: rapid.Int64Range(0, 1<<42).Draw(t, "VM memory"),
		}, 0)
		before, after := p.Value(room, guests, 0), p.Value(room, more, 0)
		switch {
		case !over(p, room, more) && after < before:
			t.Fatalf("another guest below full lowered the value from %d to %d", before, after)
		case over(p, room, guests) && after > before:
			t.Fatalf("another guest beyond full raised the value from %d to %d", before, after)
		case over(p, room, guests) != (before < 0):
			t.Fatalf("value %d, over full %t: a host that is not over full must be better than any that is", before, over(p, room, guests))
		}
	})
}

func TestRatioIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need, capacity := anyAmount().Draw(t, "need"), rapid.Int64Range(1, math.MaxInt64).Draw(t, "capacity")
		want := new(big.Int).Div(new(big.Int).Mul(big.NewInt(need), big.NewInt(Full)), big.NewInt(capacity))
		if bound := big.NewInt(maxUtilization); want.Cmp(bound) > 0 {
			want = bound
		}
		if got := ratio(need, capacity); got != want.Int64() {
			t.Fatalf("ratio(%d, %d) = %d, want %s", need, capacity, got, want)
		}
	})
}

func TestSaturation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAmount().Draw(t, "a"), anyAmount().Draw(t, "b")
		bound := big.NewInt(math.MaxInt64)
		for name, op := range map[string]struct {
			got  int64
			want *big.Int
		}{
			"satMul": {satMul(a, b), new(big.Int).Mul(big.NewInt(a), big.NewInt(b))},
			"satAdd": {satAdd(a, b), new(big.Int).Add(big.NewInt(a), big.NewInt(b))},
		} {
			want := op.want
			if want.Cmp(bound) > 0 {
				want = bound
			}
			if op.got != want.Int64() {
				t.Fatalf("%s(%d, %d) = %d, want %s", name, a, b, op.got, want)
			}
		}
	})
}
