// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestInTime(t *testing.T) {
	const gib, minute = 1 << 30, time.Minute
	usual := Slots{PerCluster: 5, PerHost: 2}
	used := func(inCluster, onHost int, held time.Duration) Slots {
		return Slots{PerCluster: 5, PerHost: 2, UsedInCluster: inCluster, UsedOnHost: onHost, Held: held}
	}
	// At 1 GiB/s a move takes as many seconds as it has GiB.
	tests := map[string]struct {
		memory    []int64
		slots     Slots
		perSecond int64
		timeout   time.Duration
		want      bool
	}{
		"no moves need no slot":                    {perSecond: gib, want: true},
		"no moves need no bandwidth":               {slots: usual, want: true},
		"one":                                      {memory: []int64{60 * gib}, slots: usual, perSecond: gib, timeout: minute, want: true},
		"one that takes longer":                    {memory: []int64{60*gib + 1<<20}, slots: usual, perSecond: gib, timeout: minute},
		"two at once":                              {memory: []int64{60 * gib, 60 * gib}, slots: usual, perSecond: gib, timeout: minute, want: true},
		"three, the third comes later":             {memory: []int64{60 * gib, 60 * gib, 60 * gib}, slots: usual, perSecond: gib, timeout: minute},
		"three, and time enough":                   {memory: []int64{60 * gib, 60 * gib, 60 * gib}, slots: usual, perSecond: gib, timeout: 2 * minute, want: true},
		"three, the largest last: 10 + 10 + 40":    {memory: []int64{10 * gib, 10 * gib, 40 * gib}, slots: usual, perSecond: gib, timeout: 50 * time.Second, want: true},
		"three, a moment less":                     {memory: []int64{10 * gib, 10 * gib, 40 * gib}, slots: usual, perSecond: gib, timeout: 50*time.Second - 1},
		"the cluster's limit is lower":             {memory: []int64{60 * gib, 60 * gib}, slots: Slots{PerCluster: 1, PerHost: 2}, perSecond: gib, timeout: minute},
		"one slot is used on the host":             {memory: []int64{60 * gib, 60 * gib}, slots: used(1, 1, 0), perSecond: gib, timeout: minute},
		"one slot is used on the host, time":       {memory: []int64{60 * gib, 60 * gib}, slots: used(1, 1, 0), perSecond: gib, timeout: 2 * minute, want: true},
		"one slot is left in the cluster":          {memory: []int64{60 * gib}, slots: used(4, 0, 0), perSecond: gib, timeout: minute, want: true},
		"one slot is left for two":                 {memory: []int64{60 * gib, 60 * gib}, slots: used(4, 0, 0), perSecond: gib, timeout: minute},
		"none is left on the host":                 {memory: []int64{1}, slots: used(2, 2, 0), perSecond: gib, timeout: minute},
		"none is left in the cluster":              {memory: []int64{1}, slots: used(5, 0, 0), perSecond: gib, timeout: minute},
		"more are used than allowed":               {memory: []int64{1}, slots: used(9, 0, 0), perSecond: gib, timeout: minute},
		"those that are used are free in time":     {memory: []int64{30 * gib}, slots: used(2, 2, 30*time.Second), perSecond: gib, timeout: minute, want: true},
		"and not in time":                          {memory: []int64{31 * gib}, slots: used(2, 2, 30*time.Second), perSecond: gib, timeout: minute},
		"waiting for all slots is better than one": {memory: []int64{30 * gib, 30 * gib, 30 * gib, 30 * gib}, slots: used(1, 1, 30*time.Second), perSecond: gib, timeout: 90 * time.Second, want: true},
		"no slots at all":                          {memory: []int64{1}, slots: Slots{PerCluster: 5, Held: time.Second}, perSecond: gib, timeout: minute},
		"less than nothing is used":                {memory: []int64{60 * gib, 60 * gib, 60 * gib}, slots: used(-5, -5, 0), perSecond: gib, timeout: minute},
		"no bandwidth":                             {memory: []int64{0}, slots: usual, timeout: minute},
		"negative memory":                          {memory: []int64{-gib}, slots: usual, perSecond: gib, timeout: 0, want: true},
		"sums beyond 64 bits":                      {memory: []int64{math.MaxInt64, math.MaxInt64, math.MaxInt64}, slots: usual, perSecond: 1, timeout: math.MaxInt64},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := InTime(tc.memory, tc.slots, tc.perSecond, tc.timeout); got != tc.want {
				t.Errorf("InTime() = %t, want %t", got, tc.want)
			}
		})
	}
}

// ends returns when the last of these moves ends if they start in this order, each as soon as a slot is free. free[i] is when slot
// i is. All in seconds.
func ends(order []int64, free []int64) int64 {
	free = slices.Clone(free)
	var last int64
	for _, seconds := range order {
		slices.Sort(free)
		free[0] += seconds
		last = max(last, free[0])
	}
	return last
}

// What is let pass ends in time in whatever order KubeVirt starts it, and what takes half the time in the best order is let pass.
func TestInTimeKeepsItsBound(t *testing.T) {
	let, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		memory := rapid.SliceOfN(rapid.Int64Range(0, 40), 1, 6).Draw(t, "memory")
		slots := Slots{PerCluster: rapid.IntRange(1, 5).Draw(t, "per cluster"), PerHost: rapid.IntRange(1, 3).Draw(t, "per host")}
		slots.UsedOnHost = rapid.IntRange(0, slots.PerHost).Draw(t, "used on the host")
		slots.UsedInCluster = rapid.IntRange(slots.UsedOnHost, 5).Draw(t, "used in the cluster")
		slots.Held = time.Duration(rapid.Int64Range(0, 40).Draw(t, "held")) * time.Second
		timeout := rapid.Int64Range(0, 150).Draw(t, "timeout")

		var free []int64
		for range min(slots.PerCluster, slots.PerHost) - max(0, slots.free()) {
			if slots.Held > 0 {
				free = append(free, int64(slots.Held/time.Second))
			}
		}
		for range max(0, slots.free()) {
			free = append(free, 0)
		}
		inTime := InTime(memory, slots, 1, time.Duration(timeout)*time.Second)
		if len(free) == 0 {
			if inTime {
				t.Fatalf("%+v has no slots", slots)
			}
			return
		}
		best := int64(math.MaxInt64)
		permute(memory, func(order []int64) {
			last := ends(order, free)
			if inTime && last > timeout {
				t.Fatalf("the last move ends after %d s, in order %v", last, order)
			}
			best = min(best, last)
		})
		now := slices.DeleteFunc(free, func(at int64) bool { return at > 0 })
		if len(now) > 0 && !inTime {
			permute(memory, func(order []int64) {
				if last := ends(order, now); 2*last <= timeout {
					t.Fatalf("refused, but in order %v all end within %d s", order, last)
				}
			})
		}
		if inTime {
			let++
		} else {
			refused++
		}
	})
	if let == 0 || refused == 0 {
		t.Errorf("%d let pass, %d refused: nothing was compared", let, refused)
	}
}

// permute calls back with every order of a list.
func permute(list []int64, call func([]int64)) {
	list = slices.Clone(list)
	var from func(int)
	from = func(n int) {
		if n >= len(list)-1 {
			call(list)
			return
		}
		for i := n; i < len(list); i++ {
			list[n], list[i] = list[i], list[n]
			from(n + 1)
			list[n], list[i] = list[i], list[n]
		}
	}
	from(0)
}
