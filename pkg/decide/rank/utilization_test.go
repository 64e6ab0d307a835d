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
	return Policy{Strategy: strategy, Weights: Weights{VCPU: 1, GuestMemory: 1}, CPUOvercommit: 400, MemoryOvercommit: 100}
}

func TestValue(t *testing.T) {
	// 16 CPUs are full at 64 vCPUs.
	room := model.Room{MilliCPU: 16000, Memory: 64 * gib}
	memoryOnly := policy(Least)
	memoryOnly.Weights.VCPU = 0
	overcommitted := policy(Least)
	overcommitted.MemoryOvercommit = 200
	uneven := policy(Least)
	uneven.Weights.VCPU = 3
	requests, packing := policy(Least), policy(Most)
	requests.Weights = Weights{VCPU: 1, GuestMemory: 1, CPURequests: 1, MemoryRequests: 1}
	packing.Weights = requests.Weights
	tests := map[string]struct {
		policy   Policy
		room     model.Room
		guests   model.Guests
		pageSize int64
		of, asks Requests // allocatable and requested
		empty    bool
		without  model.Guests // where it differs from guests
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
			policy: policy(Most), room: room, guests: model.Guests{SharedVCPUs: 128, Memory: 64 * gib}, want: -Full - 500_000,
		},
		"most, an empty host is the worse the more the VM fills it": {
			policy: policy(Most), room: room, guests: model.Guests{SharedVCPUs: 16, Memory: 32 * gib}, empty: true, want: -375_000,
		},
		"most, an empty host that the VM overfills": {
			policy: policy(Most), room: room, guests: model.Guests{SharedVCPUs: 128, Memory: 64 * gib}, empty: true, want: -Full - 500_000,
		},
		"least looks halfway": {
			policy: policy(Least), room: room, without: model.Guests{SharedVCPUs: 8, Memory: 16 * gib},
			guests: model.Guests{SharedVCPUs: 16, Memory: 32 * gib}, want: -281_250,
		},
		"least, on an empty host": {
			policy: policy(Least), room: room, without: model.Guests{SharedVCPUs: 0, Memory: 1},
			guests: model.Guests{SharedVCPUs: 16, Memory: 32 * gib}, empty: true, want: -187_500,
		},
		"most, a hair beyond full": {
			policy: policy(Most), room: model.Room{MilliCPU: 16000, Memory: 1_000_000},
			guests: model.Guests{SharedVCPUs: 64, Memory: 1_000_001}, want: -Full - 1,
		},
		"no CPU at all": {
			policy: policy(Least), room: model.Room{Memory: 64 * gib}, guests: model.Guests{SharedVCPUs: 1}, want: -maxUtilization / 2,
		},
		"no CPU, none needed": {policy: policy(Least), room: model.Room{Memory: gib}, want: 0},
		"numbers beyond reason": {
			policy: policy(Least), room: model.Room{MilliCPU: 1, Memory: 1},
			guests: model.Guests{SharedVCPUs: math.MaxInt64, DedicatedVCPUs: math.MaxInt64, Memory: math.MaxInt64}, want: -maxUtilization,
		},
		"requests count where they have weight": {
			policy: requests, room: room, guests: model.Guests{SharedVCPUs: 16, Memory: 32 * gib},
			of: Requests{MilliCPU: 16000, Memory: 64 * gib}, asks: Requests{MilliCPU: 1600, Memory: 32 * gib},
			want: -337_500, // a quarter and a half of what guests see, a tenth and a half of requests
		},
		"and do not where they have none": {
			policy: policy(Least), room: room, guests: model.Guests{SharedVCPUs: 16, Memory: 32 * gib},
			of: Requests{MilliCPU: 16000, Memory: 64 * gib}, asks: Requests{MilliCPU: 1600, Memory: 32 * gib}, want: -375_000,
		},
		"most, more requested than there is": {
			policy: packing, room: room, of: Requests{MilliCPU: 16000, Memory: 64 * gib}, asks: Requests{MilliCPU: 16000, Memory: 96 * gib},
			want: -Full - 125_000,
		},
		"a policy without weights": {room: room, guests: model.Guests{SharedVCPUs: 16}, want: 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			with := Load{Guests: tc.guests, Requested: tc.asks}
			without := with
			if tc.without != (model.Guests{}) {
				without.Guests = tc.without
			}
			if got := tc.policy.Value(Usage{
				Room: tc.room, PageSize: tc.pageSize, Allocatable: tc.of, Without: without, With: with, Empty: tc.empty,
			}); got != tc.want {
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
			Weights:          anyWeights().Draw(t, "weights"),
			CPUOvercommit:    rapid.Int64Range(10, 10000).Draw(t, "cpu overcommit"),
			MemoryOvercommit: rapid.Int64Range(10, 10000).Draw(t, "memory overcommit"),
		}
	})
}

func anyWeights() *rapid.Generator[Weights] {
	weight := rapid.Int64Range(0, 100)
	return rapid.Custom(func(t *rapid.T) Weights {
		return Weights{
			VCPU: weight.Draw(t, "vcpu"), GuestMemory: weight.Draw(t, "guest memory"),
			CPURequests: weight.Draw(t, "cpu requests"), MemoryRequests: weight.Draw(t, "memory requests"),
		}
	}).Filter(func(w Weights) bool { return w != Weights{} })
}

func anyRequests() *rapid.Generator[Requests] {
	return rapid.Custom(func(t *rapid.T) Requests {
		return Requests{MilliCPU: anyAmount().Draw(t, "milliCPU"), Memory: anyAmount().Draw(t, "memory")}
	})
}

func anyUsage() *rapid.Generator[Usage] {
	return rapid.Custom(func(t *rapid.T) Usage {
		return Usage{
			Room: anyRoom().Draw(t, "room"), PageSize: anyPageSize().Draw(t, "page size"), Allocatable: anyRequests().Draw(t, "allocatable"),
			Without: anyLoad().Draw(t, "without"), With: anyLoad().Draw(t, "with"), Empty: rapid.Bool().Draw(t, "empty"),
		}
	})
}

func anyLoad() *rapid.Generator[Load] {
	return rapid.Custom(func(t *rapid.T) Load {
		return Load{Guests: anyGuests().Draw(t, "guests"), Requested: anyRequests().Draw(t, "requested")}
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
		got := p.Value(anyUsage().Draw(t, "usage"))
		if got < -maxUtilization-Full || got > Full {
			t.Fatalf("Value() = %d, want it in [%d, %d]", got, -maxUtilization-Full, Full)
		}
	})
}

// Least: another pod or guest never makes a host better, and more room never makes it worse.
func TestLeastIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(Least).Draw(t, "policy")
		u := anyUsage().Draw(t, "usage")
		more := func(of int64, what string) int64 { return rapid.Int64Range(of, math.MaxInt64).Draw(t, "more "+what) }
		before := p.Value(u)
		fuller := u
		another := anySize().Draw(t, "another")
		for _, load := range []*Load{&fuller.Without, &fuller.With} {
			load.Guests = load.Guests.Plus(another, 0)
			load.Requested = Requests{
				MilliCPU: more(load.Requested.MilliCPU, "CPU requested"), Memory: more(load.Requested.Memory, "memory requested"),
			}
		}
		if after := p.Value(fuller); after > before {
			t.Fatalf("another guest raised the value from %d to %d", before, after)
		}
		larger := u
		larger.Room = model.Room{MilliCPU: more(u.Room.MilliCPU, "CPU"), Memory: more(u.Room.Memory, "memory")}
		larger.Allocatable = Requests{MilliCPU: more(u.Allocatable.MilliCPU, "allocatable CPU"), Memory: more(u.Allocatable.Memory, "allocatable memory")}
		if after := p.Value(larger); after < before {
			t.Fatalf("more room lowered the value from %d to %d", before, after)
		}
	})
}

// Most: another guest makes a host that is in use better as long as nothing is over full, and worse from there on. Hosts
// in use come before empty ones, and these before all that are over full.
func TestMostIsMonotoneOnEitherSideOfFull(t *testing.T) {
	over := func(p Policy, u Usage) bool {
		for _, used := range p.utilization(u, u.With) {
			if used > Full {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(Most).Draw(t, "policy")
		amount := func(limit int64, what string) int64 { return rapid.Int64Range(0, limit).Draw(t, what) }
		u := Usage{
			Room: model.Room{MilliCPU: amount(512_000, "milliCPU"), Memory: amount(1<<42, "memory")},
			With: Load{
				Guests:    model.Guests{SharedVCPUs: amount(2048, "shared"), Memory: amount(1<<43, "guest memory")},
				Requested: Requests{MilliCPU: amount(512_000, "CPU requested"), Memory: amount(1<<42, "memory requested")},
			},
			Allocatable: Requests{MilliCPU: amount(512_000, "allocatable CPU"), Memory: amount(1<<42, "allocatable memory")},
		}
		more := u
		more.With.Guests = u.With.Guests.Plus(model.Size{VCPUs: amount(512, "vcpus"), Memory: amount(1<<42, "VM memory")}, 0)
		more.With.Requested.MilliCPU += amount(64_000, "VM's CPU request")
		more.With.Requested.Memory += amount(1<<42, "VM's memory request")
		empty := u
		empty.Empty = true
		before, after := p.Value(u), p.Value(more)
		switch {
		case !over(p, more) && after < before:
			t.Fatalf("another guest below full lowered the value from %d to %d", before, after)
		case over(p, u) && after > before:
			t.Fatalf("another guest beyond full raised the value from %d to %d", before, after)
		case over(p, u) != (before < -Full) || !over(p, u) && before < 0:
			t.Fatalf("value %d, over full %t: a host that is not over full must be better than any that is", before, over(p, u))
		case !over(p, u) && (p.Value(empty) > 0 || p.Value(empty) < -Full):
			t.Fatalf("value %d of an empty host, want it between those in use and those over full", p.Value(empty))
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
