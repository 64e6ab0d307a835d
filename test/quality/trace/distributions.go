// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"
	"math/rand/v2"
	"sort"
)

// point is one of a cumulative distribution: this share of all is at most value.
type point struct{ value, share float64 }

// azure2019Groups is how many VMs a deployment has, and azure2019Lifetimes how many hours a VM lives, both read off the
// curves "Azure 2019" of the notebook that Flavours names. Two thirds of Azure's VMs live for less than an hour; these
// are left out (batch workers: many come, few are there at any time), so the curve begins at an hour. The source ends
// after 30 days, and so do lifetimes.
var (
	azure2019Groups = []point{
		{0, 0}, {1, 0.47}, {2, 0.63}, {3, 0.70}, {4, 0.75}, {6, 0.82}, {10, 0.88}, {20, 0.935}, {30, 0.955}, {50, 1},
	}
	azure2019Lifetimes = []point{
		{1, 0}, {5, 0.37}, {10, 0.50}, {20, 0.67}, {40, 0.73}, {100, 0.76}, {720, 1},
	}
)

// groupSize draws how many VMs are deployed together.
func groupSize(rng *rand.Rand) int {
	return max(int(math.Ceil(quantile(azure2019Groups, rng.Float64(), false))), 1)
}

// quantile is the value at a share, interpolated between points, on a logarithmic scale if log is true.
func quantile(points []point, share float64, log bool) float64 {
	i := sort.Search(len(points), func(i int) bool { return points[i].share >= share })
	if i == 0 {
		return points[0].value
	}
	a, b := points[i-1], points[min(i, len(points)-1)]
	if b.share == a.share {
		return b.value
	}
	x := (share - a.share) / (b.share - a.share)
	if log {
		return a.value * math.Pow(b.value/a.value, x)
	}
	return a.value + x*(b.value-a.value)
}

// lifetimes is the distribution of how long VMs live, as equally likely values in hours.
type lifetimes struct {
	hours []float64
	sums  []float64 // of hours
}

func newLifetimes() lifetimes {
	const steps = 1000
	l := lifetimes{hours: make([]float64, steps), sums: make([]float64, steps)}
	sum := 0.0
	for i := range steps {
		l.hours[i] = quantile(azure2019Lifetimes, (float64(i)+0.5)/steps, true)
		sum += l.hours[i]
		l.sums[i] = sum
	}
	return l
}

func (l lifetimes) mean() float64 { return l.sums[len(l.sums)-1] / float64(len(l.hours)) }

// draw returns how long a VM that comes now will live.
func (l lifetimes) draw(rng *rand.Rand) float64 { return l.hours[rng.IntN(len(l.hours))] }

// rest returns how long a VM that is already there has left: who lives long is met more often, at any point of its life.
func (l lifetimes) rest(rng *rand.Rand) float64 {
	i := sort.SearchFloat64s(l.sums, rng.Float64()*l.sums[len(l.sums)-1])
	return l.hours[min(i, len(l.hours)-1)] * rng.Float64()
}
