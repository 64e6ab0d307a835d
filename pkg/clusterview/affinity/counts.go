// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

// Counts are numbers per topology value; those of zero are not there.
type Counts struct {
	// Most terms have few values. Beyond fewValues all are in many.
	few  []number
	many map[string]int64
}

type number struct {
	value string
	n     int64
}

// fewValues are quicker found, and take less memory, in a list.
const fewValues = 8

// At returns the count of a topology value.
func (c *Counts) At(value string) int64 {
	if c.many != nil {
		return c.many[value]
	}
	for i := range c.few {
		if c.few[i].value == value {
			return c.few[i].n
		}
	}
	return 0
}

// Each calls f for each value that has a count, in no order.
func (c *Counts) Each(f func(value string, n int64)) {
	for i := range c.few {
		f(c.few[i].value, c.few[i].n)
	}
	for value, n := range c.many {
		f(value, n)
	}
}

// Len is the number of values that have a count.
func (c *Counts) Len() int { return len(c.few) + len(c.many) }

func (c *Counts) add(value string, n int64) {
	if c.many != nil {
		c.addToMany(value, n)
		return
	}
	for i := range c.few {
		if c.few[i].value == value {
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
		c.few = append(c.few, number{value, n})
		return
	}
	c.many = make(map[string]int64, 2*fewValues)
	for _, each := range c.few {
		c.many[each.value] = each.n
	}
	c.few = nil
	c.many[value] = n
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
func (c *Counts) addToMany(value string, n int64) {
	if sum := c.many[value] + n; sum != 0 {
		c.many[value] = sum
		return
	}
	delete(c.many, value)
	if len(c.many) > fewValues/2 {
		return
	}
	for value, n := range c.many {
		c.few = append(c.few, number{value, n})
	}
	c.many = nil
}
