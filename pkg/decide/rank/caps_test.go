// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package rank

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

func TestExceeded(t *testing.T) {
	const page = 2 << 20
	// 16 CPUs hold 64 shared vCPUs at 400 percent.
	room := model.Room{MilliCPU: 16000, Memory: 64 * gib}
	tests := map[string]struct {
		caps     Caps
		room     model.Room
		guests   model.Guests
		pageSize int64
		want     Excess
	}{
		"no caps": {room: room, guests: model.Guests{SharedVCPUs: 1000, Memory: 1000 * gib}},
		"at both caps": {
			caps: Caps{CPU: 400, Memory: 150}, room: room, guests: model.Guests{SharedVCPUs: 64, Memory: 96 * gib},
		},
		"one vCPU more": {caps: Caps{CPU: 400}, room: room, guests: model.Guests{SharedVCPUs: 65}, want: ExcessVCPUs},
		"one byte more": {caps: Caps{Memory: 150}, room: room, guests: model.Guests{Memory: 96*gib + 1}, want: ExcessMemory},
		"both": {
			caps: Caps{CPU: 100, Memory: 100}, room: room, guests: model.Guests{SharedVCPUs: 17, Memory: 65 * gib},
			want: ExcessVCPUs | ExcessMemory,
		},
		"a cap on CPU only":    {caps: Caps{CPU: 400}, room: room, guests: model.Guests{SharedVCPUs: 64, Memory: 1000 * gib}},
		"a cap on memory only": {caps: Caps{Memory: 100}, room: room, guests: model.Guests{SharedVCPUs: 1000, Memory: 64 * gib}},
		"dedicated CPUs are taken from the shared ones": {
			caps: Caps{CPU: 400}, room: room, guests: model.Guests{DedicatedVCPUs: 4, SharedVCPUs: 48},
		},
		"and one shared vCPU more": {
			caps: Caps{CPU: 400}, room: room, guests: model.Guests{DedicatedVCPUs: 4, SharedVCPUs: 49}, want: ExcessVCPUs,
		},
		"dedicated CPUs are not overcommitted, whatever the cap": {
			caps: Caps{CPU: 10000}, room: room, guests: model.Guests{DedicatedVCPUs: 17}, want: ExcessVCPUs,
		},
		"nor kept free by a cap under 100": {caps: Caps{CPU: 50}, room: room, guests: model.Guests{DedicatedVCPUs: 16}},
		"half a CPU takes no vCPU of its own": {
			caps: Caps{CPU: 100}, room: model.Room{MilliCPU: 15999}, guests: model.Guests{DedicatedVCPUs: 16}, want: ExcessVCPUs,
		},
		"huge pages once": {caps: Caps{Memory: 300}, room: room, guests: model.Guests{Memory: 64 * gib}, pageSize: page},
		"and not once more": {
			caps: Caps{Memory: 300}, room: room, guests: model.Guests{Memory: 64*gib + page}, pageSize: page, want: ExcessHugePages,
		},
		"huge pages are not kept free":                {caps: Caps{Memory: 50}, room: room, guests: model.Guests{Memory: 64 * gib}, pageSize: page},
		"huge pages without a cap are not looked at":  {caps: Caps{CPU: 400}, room: room, guests: model.Guests{Memory: 65 * gib}, pageSize: page},
		"a host that others have taken all of":        {caps: Caps{CPU: 400}, guests: model.Guests{SharedVCPUs: 1}, want: ExcessVCPUs},
		"and more than all of":                        {caps: Caps{Memory: 400}, room: model.Room{Memory: -gib}, guests: model.Guests{Memory: 1}, want: ExcessMemory},
		"nothing fits into nothing":                   {caps: Caps{CPU: 400, Memory: 100}, room: model.Room{MilliCPU: -1, Memory: -1}},
		"products beyond 64 bits: fits":               {caps: Caps{CPU: 10000}, room: model.Room{MilliCPU: math.MaxInt64}, guests: model.Guests{SharedVCPUs: math.MaxInt64 / 10}},
		"products beyond 64 bits: one more than fits": {caps: Caps{CPU: 10000}, room: model.Room{MilliCPU: math.MaxInt64}, guests: model.Guests{SharedVCPUs: math.MaxInt64/10 + 1}, want: ExcessVCPUs},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.caps.Exceeded(tc.room, tc.guests, tc.pageSize); got != tc.want {
				t.Errorf("Exceeded() = %b, want %b", got, tc.want)
			}
		})
	}
}

func anyCaps() *rapid.Generator[Caps] {
	percent := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(MinOvercommit, MaxOvercommit))
	return rapid.Custom(func(t *rapid.T) Caps {
		return Caps{CPU: percent.Draw(t, "cpu"), Memory: percent.Draw(t, "memory")}
	})
}

// signedRoom draws also what is left of hosts that others have taken more than all of.
func signedRoom() *rapid.Generator[model.Room] {
	return rapid.Custom(func(t *rapid.T) model.Room {
		return model.Room{MilliCPU: rapid.Int64().Draw(t, "milliCPU"), Memory: rapid.Int64().Draw(t, "memory")}
	})
}

// atCap draws a host and guests that exceed its cap by a few vCPUs and bytes, or are below it by some: random numbers alone
// hardly ever come near.
func atCap(t *rapid.T, caps Caps) (model.Room, model.Guests) {
	cpus, dedicated := rapid.Int64Range(0, 1024).Draw(t, "cpus"), rapid.Int64Range(0, 64).Draw(t, "dedicated")
	memory := rapid.Int64Range(0, 1<<44).Draw(t, "memory")
	near := rapid.Int64Range(-2, 2)
	return model.Room{MilliCPU: cpus * 1000, Memory: memory}, model.Guests{
		DedicatedVCPUs: dedicated,
		SharedVCPUs:    max((cpus-dedicated)*caps.CPU/100+near.Draw(t, "vcpus"), 0),
		Memory:         max(memory/100*caps.Memory+near.Draw(t, "bytes"), 0),
	}
}

func anyHost(t *rapid.T, caps Caps) (model.Room, model.Guests) {
	if rapid.Bool().Draw(t, "near the cap") {
		return atCap(t, caps)
	}
	return signedRoom().Draw(t, "room"), anyGuests().Draw(t, "guests")
}

func anyPageSize() *rapid.Generator[int64] {
	return rapid.SampledFrom([]int64{model.OrdinaryMemory, 2 << 20, gib})
}

// The verdict is that of arithmetic without bounds.
func TestExceededIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := anyCaps().Draw(t, "caps")
		room, guests := anyHost(t, caps)
		pageSize := anyPageSize().Draw(t, "page size")
		number := func(n int64) *big.Int { return big.NewInt(max(n, 0)) }
		times := func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }
		var want Excess
		if caps.CPU > 0 {
			// shared/(room - dedicated) <= cap, and room >= dedicated, in thousandths.
			left := new(big.Int).Sub(number(room.MilliCPU), times(number(guests.DedicatedVCPUs), big.NewInt(1000)))
			if left.Sign() < 0 || times(number(guests.SharedVCPUs), big.NewInt(100_000)).Cmp(times(left, big.NewInt(caps.CPU))) > 0 {
				want |= ExcessVCPUs
			}
		}
		if caps.Memory > 0 {
			percent, excess := caps.Memory, ExcessMemory
			if pageSize != model.OrdinaryMemory {
				percent, excess = 100, ExcessHugePages
			}
			if times(number(guests.Memory), big.NewInt(100)).Cmp(times(number(room.Memory), big.NewInt(percent))) > 0 {
				want |= excess
			}
		}
		if got := caps.Exceeded(room, guests, pageSize); got != want {
			t.Fatalf("%+v.Exceeded(%+v, %+v, %d) = %b, want %b", caps, room, guests, pageSize, got, want)
		}
	})
}

// Another guest never makes a host fit that did not, nor does less room.
func TestExceededIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := anyCaps().Draw(t, "caps")
		room, guests := anyHost(t, caps)
		pageSize := anyPageSize().Draw(t, "page size")
		size := anySize().Draw(t, "another")
		size.PageSize = anyPageSize().Draw(t, "page size of another")
		before := caps.Exceeded(room, guests, pageSize)
		if after := caps.Exceeded(room, guests.Plus(size, pageSize), pageSize); before&^after != 0 {
			t.Fatalf("another guest: %b before, %b after", before, after)
		}
		less := model.Room{
			MilliCPU: rapid.Int64Range(math.MinInt64, room.MilliCPU).Draw(t, "less CPU"),
			Memory:   rapid.Int64Range(math.MinInt64, room.Memory).Draw(t, "less memory"),
		}
		if after := caps.Exceeded(less, guests, pageSize); before&^after != 0 {
			t.Fatalf("less room: %b before, %b after", before, after)
		}
	})
}

// What does not raise a cap lets nothing in that did not fit before.
func TestRaised(t *testing.T) {
	room := model.Room{MilliCPU: 16000, Memory: 64 * gib}
	more := func(cpu, memory int64) model.Room {
		return model.Room{MilliCPU: room.MilliCPU + cpu, Memory: room.Memory + memory}
	}
	tests := map[string]struct {
		before, after Caps
		room          model.Room // after
		pageSize      int64
		want          bool
	}{
		"nothing changes":                  {before: Caps{CPU: 400, Memory: 100}, after: Caps{CPU: 400, Memory: 100}, room: room},
		"a higher cap":                     {before: Caps{CPU: 400}, after: Caps{CPU: 401}, room: room, want: true},
		"a lower cap":                      {before: Caps{CPU: 400}, after: Caps{CPU: 399}, room: room},
		"no cap any more":                  {before: Caps{Memory: 100}, room: room, want: true},
		"a cap where there was none":       {after: Caps{Memory: 100}, room: more(1, 1)},
		"one higher, one lower":            {before: Caps{CPU: 400, Memory: 100}, after: Caps{CPU: 200, Memory: 200}, room: room, want: true},
		"more CPUs":                        {before: Caps{CPU: 400}, after: Caps{CPU: 400}, room: more(1, 0), want: true},
		"more CPUs under a lower cap":      {before: Caps{CPU: 400}, after: Caps{CPU: 200}, room: more(1, 0), want: true}, // for dedicated ones
		"more CPUs where memory is capped": {before: Caps{Memory: 100}, after: Caps{Memory: 100}, room: more(1, 0)},
		"more memory":                      {before: Caps{Memory: 100}, after: Caps{Memory: 100}, room: more(0, 1), want: true},
		"more memory where CPU is capped":  {before: Caps{CPU: 400}, after: Caps{CPU: 400}, room: more(0, 1)},
		"less of all":                      {before: Caps{CPU: 400, Memory: 100}, after: Caps{CPU: 400, Memory: 100}, room: more(-1, -1)},
		"a higher cap, in huge pages":      {before: Caps{Memory: 100}, after: Caps{Memory: 200}, room: room, pageSize: gib},
		"more huge pages":                  {before: Caps{Memory: 100}, after: Caps{Memory: 100}, room: more(0, gib), pageSize: gib, want: true},
		"huge pages not counted any more":  {before: Caps{Memory: 100}, room: room, pageSize: gib, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.after.Raised(tc.room, tc.before, room, tc.pageSize); got != tc.want {
				t.Errorf("%+v.Raised() = %t, want %t", tc.after, got, tc.want)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		before, after := anyCaps().Draw(t, "before"), anyCaps().Draw(t, "after")
		was, guests := anyHost(t, before)
		is, pageSize := signedRoom().Draw(t, "room after"), anyPageSize().Draw(t, "page size")
		refused := before.Exceeded(was, guests, pageSize)
		if !after.Raised(is, before, was, pageSize) && refused&^after.Exceeded(is, guests, pageSize) != 0 {
			t.Fatalf("caps %+v on %+v let %+v in that %+v on %+v did not, and nothing was raised", after, is, guests, before, was)
		}
	})
}

func TestOverridden(t *testing.T) {
	tests := map[string]struct{ args, node, want Caps }{
		"nothing said":            {},
		"the arguments hold":      {args: Caps{CPU: 400, Memory: 100}, want: Caps{CPU: 400, Memory: 100}},
		"the node's own":          {args: Caps{CPU: 400, Memory: 100}, node: Caps{CPU: 200, Memory: 150}, want: Caps{CPU: 200, Memory: 150}},
		"one of two":              {args: Caps{CPU: 400, Memory: 100}, node: Caps{Memory: 150}, want: Caps{CPU: 400, Memory: 150}},
		"where there was no cap":  {node: Caps{CPU: 200}, want: Caps{CPU: 200}},
		"one that there was not ": {args: Caps{CPU: 400}, node: Caps{Memory: 100}, want: Caps{CPU: 400, Memory: 100}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := tc.args.Overridden(tc.node)
			if got != tc.want {
				t.Errorf("%+v overridden by %+v is %+v, want %+v", tc.args, tc.node, got, tc.want)
			}
			if any := tc.want != (Caps{}); got.Any() != any {
				t.Errorf("%+v.Any() = %t, want %t", got, got.Any(), any)
			}
		})
	}
}

func TestParseCaps(t *testing.T) {
	tests := map[string]struct {
		want Caps
		err  string // without capsUsage
	}{
		"cpu=400,memory=100":     {want: Caps{CPU: 400, Memory: 100}},
		"memory=100,cpu=400":     {want: Caps{CPU: 400, Memory: 100}},
		"cpu=10":                 {want: Caps{CPU: 10}},
		"memory=10000":           {want: Caps{Memory: 10000}},
		"cpu = 400 , memory=100": {want: Caps{CPU: 400, Memory: 100}},
		"":                       {err: `"": "" is not NAME=PERCENT`},
		"400":                    {err: `"400": "400" is not NAME=PERCENT`},
		"cpu=400,":               {err: `"cpu=400,": "" is not NAME=PERCENT`},
		"cpu=400;memory=100":     {err: `"cpu=400;memory=100": cpu: "400;memory=100" is no whole number from 10 to 10000`},
		"cpu=0":                  {err: `"cpu=0": cpu: "0" is no whole number from 10 to 10000`},
		"cpu=9":                  {err: `"cpu=9": cpu: "9" is no whole number from 10 to 10000`},
		"memory=10001":           {err: `"memory=10001": memory: "10001" is no whole number from 10 to 10000`},
		"cpu=-400":               {err: `"cpu=-400": cpu: "-400" is no whole number from 10 to 10000`},
		"cpu=+400":               {err: `"cpu=+400": cpu: "+400" is no whole number from 10 to 10000`},
		"cpu=4.0":                {err: `"cpu=4.0": cpu: "4.0" is no whole number from 10 to 10000`},
		"cpu=400%":               {err: `"cpu=400%": cpu: "400%" is no whole number from 10 to 10000`},
		"CPU=400":                {err: `"CPU=400": "CPU" is neither cpu nor memory`},
		"cpu=400,cpu=500":        {err: `"cpu=400,cpu=500": cpu is there twice`},
		"cpu=65946":              {err: `"cpu=65946": cpu: "65946" is no whole number from 10 to 10000`}, // 410 in 16 bits
		`{"cpu":400}`:            {err: `"{\"cpu\":400}": "{\"cpu\":400}" is not NAME=PERCENT`},
		strings.Repeat("cpu=400,", 9): {
			err: `"` + strings.Repeat("cpu=400,", 8) + `"... is longer than 64 bytes`,
		},
		"cpu=x,swap=1": {
			err: "\"cpu=x,swap=1\": cpu: \"x\" is no whole number from 10 to 10000, \"swap\" is neither cpu nor memory",
		},
	}
	for text, tc := range tests {
		t.Run(text, func(t *testing.T) {
			got, err := ParseCaps(text)
			if message := fmt.Sprint(err); (err != nil || tc.err != "") && message != tc.err+capsUsage {
				t.Errorf("error %s\nwant  %s", message, tc.err+capsUsage)
			}
			if got != tc.want {
				t.Errorf("ParseCaps() = %+v, want %+v", got, tc.want)
			}
		})
	}
}

// Whatever stands in an annotation, what is read of it is either wholly valid or nothing.
func TestParseCapsOfAnything(t *testing.T) {
	token := rapid.SampledFrom([]string{"cpu", "memory", "=", ",", " ", "400", "100", "0", "9", "10", "10000", "10001", "-", "x", "18446744073709551616"})
	text := rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(token, 0, 8).Draw(t, "tokens"), "")
	}))
	rapid.Check(t, func(t *rapid.T) {
		drawn := text.Draw(t, "text")
		got, err := ParseCaps(drawn)
		if err != nil {
			if got != (Caps{}) {
				t.Fatalf("ParseCaps(%q) = %+v beside error %v", drawn, got, err)
			}
			return
		}
		if !got.Any() {
			t.Fatalf("ParseCaps(%q) names no cap, and no error", drawn)
		}
		for name, percent := range map[string]int64{"cpu": got.CPU, "memory": got.Memory} {
			if percent != 0 && (percent < MinOvercommit || percent > MaxOvercommit) {
				t.Fatalf("ParseCaps(%q) has %s at %d percent", drawn, name, percent)
			}
		}
		again, err := ParseCaps(got.String())
		if err != nil || again != got {
			t.Fatalf("%+v written as %q reads %+v, %v", got, got.String(), again, err)
		}
	})
}

func TestCapsString(t *testing.T) {
	for want, caps := range map[string]Caps{
		"none": {}, "cpu=400": {CPU: 400}, "memory=100": {Memory: 100}, "cpu=400,memory=100": {CPU: 400, Memory: 100},
	} {
		if got := caps.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

func TestParseCapsDoesNotAllocate(t *testing.T) {
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := ParseCaps("cpu=400,memory=100"); err != nil {
			t.Error(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%g allocations; Filter reads annotations of every host", allocations)
	}
}
