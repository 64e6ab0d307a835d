// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"math/bits"
	"slices"
)

// set is a set of victims, by their positions. Sets that are compared are of the same length.
type set []uint64

const wordBits = 64

func newSet(n int) set { return make(set, (n+wordBits-1)/wordBits) }

func (s set) add(i int)      { s[i/wordBits] |= 1 << (i % wordBits) }
func (s set) remove(i int)   { s[i/wordBits] &^= 1 << (i % wordBits) }
func (s set) has(i int) bool { return s[i/wordBits]&(1<<(i%wordBits)) != 0 }

func (s set) clone() set { return slices.Clone(s) }

// without returns a set with one member fewer.
func (s set) without(i int) set {
	less := s.clone()
	less.remove(i)
	return less
}

// and returns what is in both.
func (s set) and(other set) set {
	both := newSet(len(s) * wordBits)
	for w := range s {
		both[w] = s[w] & other[w]
	}
	return both
}

// within is true when all that is in s is in other too.
func (s set) within(other set) bool {
	for w := range s {
		if s[w]&^other[w] != 0 {
			return false
		}
	}
	return true
}

func (s set) count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// members returns the positions, ascending.
func (s set) members() []int {
	list := make([]int, 0, s.count())
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			list = append(list, w*wordBits+bits.TrailingZeros64(word))
		}
	}
	return list
}
