// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Item is something to be packed.
type Item struct {
	// Need in each dimension, not negative.
	Need []int64
	// Class decides which bins take the item.
	Class int
}

// Problem is what there is to pack.
type Problem struct {
	Items []Item
	// Bins are the room that each bin has in each dimension.
	Bins [][]int64
	// Dimensions are their names, for Packing.Order.
	Dimensions []string
	// Takes says whether a bin takes items of a class; nil means that every bin takes all.
	Takes func(class, bin int) bool
}

// Packing says where items went.
type Packing struct {
	// Bin of each item, or -1.
	Bin []int
	// Used is how many bins hold something, Left how many items found no bin.
	Used, Left int
	// Order names the variant of first-fit-decreasing that was best.
	Order string
}

// FirstFitDecreasing puts the items, greatest first, each into the first bin that has room. What is greatest with more than
// one dimension, and which bin is first when bins differ, is open: it tries the usual answers, and returns what leaves the
// fewest items and uses the fewest bins.
func (p Problem) FirstFitDecreasing() Packing {
	total := p.total()
	binOrders := map[string][]int{
		"bins by greatest share, largest first":  p.bins(func(room []int64) float64 { return -share(room, total) }),
		"bins by greatest share, smallest first": p.bins(func(room []int64) float64 { return share(room, total) }),
	}
	itemOrders := map[string][]int{
		"items by greatest share":                 p.items(total, false),
		"items by pickiness, then greatest share": p.items(total, true),
	}
	for d := range total {
		binOrders["bins by "+p.name(d)+", largest first"] = p.bins(func(room []int64) float64 { return -float64(room[d]) })
		itemOrders["items by "+p.name(d)] = order(len(p.Items), func(a, b int) int {
			return cmp.Compare(p.Items[b].Need[d], p.Items[a].Need[d])
		})
	}
	var best Packing
	for _, items := range slices.Sorted(maps.Keys(itemOrders)) {
		for _, bins := range slices.Sorted(maps.Keys(binOrders)) {
			got := p.firstFit(itemOrders[items], binOrders[bins])
			got.Order = items + "; " + bins
			if best.Order == "" || cmp.Or(cmp.Compare(got.Left, best.Left), cmp.Compare(got.Used, best.Used)) < 0 {
				best = got
			}
		}
	}
	return best
}

// LowerBound is a number of bins below which no packing of all items can go, however clever: the largest bins in each
// dimension that together have the room.
func (p Problem) LowerBound() int {
	bound := 0
	for d := range p.dimensions() {
		need := int64(0)
		for _, item := range p.Items {
			need += item.Need[d]
		}
		rooms := make([]int64, len(p.Bins))
		for i, bin := range p.Bins {
			rooms[i] = bin[d]
		}
		slices.SortFunc(rooms, func(a, b int64) int { return cmp.Compare(b, a) })
		used := 0
		for _, room := range rooms {
			if need <= 0 {
				break
			}
			need -= room
			used++
		}
		bound = max(bound, used)
	}
	return bound
}

func (p Problem) name(dimension int) string {
	if dimension < len(p.Dimensions) {
		return p.Dimensions[dimension]
	}
	return fmt.Sprintf("dimension %d", dimension)
}

func (p Problem) dimensions() int {
	if len(p.Bins) == 0 {
		return 0
	}
	return len(p.Bins[0])
}

func (p Problem) total() []int64 {
	total := make([]int64, p.dimensions())
	for _, bin := range p.Bins {
		for d, room := range bin {
			total[d] += room
		}
	}
	return total
}

// share is the greatest part of the whole room that a vector takes in any dimension.
func share(vector, total []int64) float64 {
	greatest := 0.0
	for d, v := range vector {
		if total[d] > 0 {
			greatest = max(greatest, float64(v)/float64(total[d]))
		}
	}
	return greatest
}

// items returns the order of items, those that fewest bins take first if pickiest is true.
func (p Problem) items(total []int64, pickiest bool) []int {
	takers := map[int]int{}
	for _, item := range p.Items {
		if _, ok := takers[item.Class]; ok {
			continue
		}
		takers[item.Class] = 0
		for bin := range p.Bins {
			if p.Takes == nil || p.Takes(item.Class, bin) {
				takers[item.Class]++
			}
		}
	}
	return order(len(p.Items), func(a, b int) int {
		first := 0
		if pickiest {
			first = cmp.Compare(takers[p.Items[a].Class], takers[p.Items[b].Class])
		}
		return cmp.Or(first, cmp.Compare(share(p.Items[b].Need, total), share(p.Items[a].Need, total)))
	})
}

// bins returns the order of bins by a key, least first.
func (p Problem) bins(key func(room []int64) float64) []int {
	return order(len(p.Bins), func(a, b int) int { return cmp.Compare(key(p.Bins[a]), key(p.Bins[b])) })
}

// order sorts 0..n-1, keeping equals as they are.
func order(n int, compare func(a, b int) int) []int {
	indices := make([]int, n)
	for i := range indices {
		indices[i] = i
	}
	slices.SortStableFunc(indices, compare)
	return indices
}

func (p Problem) firstFit(items, bins []int) Packing {
	room := make([][]int64, len(p.Bins))
	for i, bin := range p.Bins {
		room[i] = slices.Clone(bin)
	}
	used := make([]bool, len(p.Bins))
	result := Packing{Bin: make([]int, len(p.Items))}
	for _, i := range items {
		item := p.Items[i]
		result.Bin[i] = -1
		for _, b := range bins {
			if (p.Takes == nil || p.Takes(item.Class, b)) && fits(item.Need, room[b]) {
				for d, need := range item.Need {
					room[b][d] -= need
				}
				used[b], result.Bin[i] = true, b
				break
			}
		}
		if result.Bin[i] < 0 {
			result.Left++
		}
	}
	for _, u := range used {
		if u {
			result.Used++
		}
	}
	return result
}

func fits(need, room []int64) bool {
	for d, n := range need {
		if n > room[d] {
			return false
		}
	}
	return true
}
