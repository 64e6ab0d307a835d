// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
)

// manyParts of one key are quicker summed up once than looked up in one after the other for each host.
const manyParts = 8

// sum is a number per topology key and value: answers of the index, and what is added to them. It is read by many
// goroutines once it is complete.
type sum struct {
	byKey []keySum
}

type keySum struct {
	key   string
	parts []part
	// more is what is added to the parts; nil for nothing.
	more map[string]int64
}

// part is one answer of the index, weighed.
type part struct {
	// matches, or counts, is the answer.
	matches *affinity.Matches
	counts  *affinity.Counts
	weight  int64
}

func (p *part) at(key, value string) int64 {
	if p.matches != nil {
		return p.weight * p.matches.At(key, value)
	}
	return p.weight * p.counts.At(value)
}

func (p *part) each(key string, f func(value string, n int64)) {
	weighed := func(value string, n int64) { f(value, p.weight*n) }
	if p.matches != nil {
		p.matches.Each(key, weighed)
		return
	}
	p.counts.Each(weighed)
}

// key returns what is known of a topology key, to be added to.
func (s *sum) key(key string) *keySum {
	for i := range s.byKey {
		if s.byKey[i].key == key {
			return &s.byKey[i]
		}
	}
	s.byKey = append(s.byKey, keySum{key: key})
	return &s.byKey[len(s.byKey)-1]
}

// count adds an answer of the index.
func (s *sum) count(key string, p part) {
	k := s.key(key)
	k.parts = append(k.parts, p)
}

// add adds to one topology value.
func (s *sum) add(key, value string, n int64) {
	k := s.key(key)
	if k.more == nil {
		k.more = map[string]int64{}
	}
	k.more[value] += n
}

// settle makes a complete sum quick to read.
func (s *sum) settle() {
	for i := range s.byKey {
		k := &s.byKey[i]
		if len(k.parts) <= manyParts {
			continue
		}
		if k.more == nil {
			k.more = map[string]int64{}
		}
		for j := range k.parts {
			k.parts[j].each(k.key, func(value string, n int64) { k.more[value] += n })
		}
		k.parts = nil
	}
}

// at is 0 where nothing was added; a nil sum is empty.
func (s *sum) at(key, value string) int64 {
	if s == nil {
		return 0
	}
	for i := range s.byKey {
		if s.byKey[i].key == key {
			return s.byKey[i].at(value)
		}
	}
	return 0
}

func (k *keySum) at(value string) int64 {
	n := k.more[value]
	for i := range k.parts {
		n += k.parts[i].at(k.key, value)
	}
	return n
}

// any is true when there is something at some topology value; there must be nothing negative.
func (s *sum) any() bool {
	for i := range s.byKey {
		if s.byKey[i].more != nil {
			return s.total() > 0
		}
	}
	return len(s.byKey) > 0
}

// total is the sum over all topology values of all keys.
func (s *sum) total() (total int64) {
	for i := range s.byKey {
		k := &s.byKey[i]
		for _, n := range k.more {
			total += n
		}
		for j := range k.parts {
			k.parts[j].each(k.key, func(_ string, n int64) { total += n })
		}
	}
	return total
}

// clone copies a sum without answers of the index.
func (s *sum) clone() sum {
	c := sum{byKey: make([]keySum, len(s.byKey))}
	for i := range s.byKey {
		c.byKey[i].key = s.byKey[i].key
		for value, n := range s.byKey[i].more {
			if n != 0 {
				c.add(s.byKey[i].key, value, n)
			}
		}
	}
	return c
}
