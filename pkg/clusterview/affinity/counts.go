// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

// Counts are numbers per value of a topology key; those of zero are not there.
type Counts struct {
	of *topology
	// Most terms have few values. Beyond fewValues all are in many.
	few  []number
	many map[*value]int64
}

type number struct {
	at *value
	n  int64
}

// fewValues are quicker found, and take less memory, in a list.
const fewValues = 8

// At returns the count of a topology value.
func (c *Counts) At(value string) int64 {
	if c.many != nil {
		return c.many[c.of.values[value]]
	}
	for i := range c.few {
		if c.few[i].at.name == value {
			return c.few[i].n
		}
	}
	return 0
}

// Each calls f for each value that has a count, in no order.
func (c *Counts) Each(f func(value string, n int64)) {
	for i := range c.few {
		f(c.few[i].at.name, c.few[i].n)
	}
	for at, n := range c.many {
		f(at.name, n)
	}
}

// Len is the number of values that have a count.
func (c *Counts) Len() int { return len(c.few) + len(c.many) }

func (c *Counts) add(at *value, n int64) {
	if c.many != nil {
		c.addToMany(at, n)
		return
	}
	for i := range c.few {
		if c.few[i].at == at {
			c.few[i].n += n
			if c.few[i].n == 0 {
				c.drop(i)
			}
			return
		}
	}
	if n == 0 {
		return
	}
	if len(c.few) < fewValues {
		c.few = append(c.few, number{at, n})
		return
	}
	c.many = make(map[*value]int64, 2*fewValues)
	for _, each := range c.few {
		c.many[each.at] = each.n
	}
	c.few = nil
	c.many[at] = n
}

func (c *Counts) drop(i int) {
	last := len(c.few) - 1
	c.few[i], c.few[last] = c.few[last], number{}
	c.few = c.few[:last]
	if last == 0 {
		c.few = nil
	}
}

// addToMany goes back to a list only well below the limit, so that one pod that comes and goes does not cause it.
func (c *Counts) addToMany(at *value, n int64) {
	if sum := c.many[at] + n; sum != 0 {
		c.many[at] = sum
		return
	}
	delete(c.many, at)
	if len(c.many) > fewValues/2 {
		return
	}
	for at, n := range c.many {
		c.few = append(c.few, number{at, n})
	}
	c.many = nil
}
