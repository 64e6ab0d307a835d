// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ClassID names a class of hosts. It always means the same labels: a number is not used again for others.
type ClassID int32

// NoClass is the class of a host that the view does not know.
const NoClass ClassID = 0

const (
	// maxValues is how many values a label may have for hosts to be grouped by it.
	maxValues = 64
	// maxSelected bounds the keys that are learned from selectors.
	maxSelected = 256

	kubevirtDomain = "kubevirt.io"
	// Domains of labels with the frequency of a host's time stamp counter.
	tscKeyDomain   = "scheduling.node.kubevirt.io"
	tscValueDomain = "cpu-timer.node.kubevirt.io"
)

// Class is a group of hosts that have the same labels, as far as selection looks at labels. It is read-only.
type Class struct {
	ID ClassID
	// Labels are those that all its hosts have, of the keys that hosts are grouped by.
	Labels map[string]string
	// Hosts are the names of its hosts, sorted.
	Hosts []string
}

// groups is what readers see of the classes; it is not changed once published.
type groups struct {
	classes        []Class
	selected, wide map[string]struct{}
}

// classifier keeps the classes.
type classifier struct {
	seed  maphash.Seed
	limit int
	// selected are the keys that selectors have named.
	selected map[string]struct{}
	// values counts the hosts by candidate key and value; wide are the candidates with too many values.
	values map[string]map[string]int
	wide   map[string]struct{}
	// flipped are the keys that hosts are grouped by anew, or no more.
	flipped map[string]struct{}
	byHash  map[uint64][]*class
	last    ClassID
	// changed are the classes whose hosts change in this refresh.
	changed map[*class]struct{}
	// unpublished is true when readers do not know yet by which keys hosts are grouped.
	unpublished bool
}

type class struct {
	Class
	hash         uint64
	joined, left []string
}

func newClassifier(limit int) classifier {
	return classifier{
		seed: maphash.MakeSeed(), limit: limit,
		selected: map[string]struct{}{}, values: map[string]map[string]int{}, wide: map[string]struct{}{},
		flipped: map[string]struct{}{}, byHash: map[uint64][]*class{}, changed: map[*class]struct{}{}, unpublished: true,
	}
}

// candidate is true for the labels that hosts are grouped by if they do not have too many values: KubeVirt's, the
// architecture, and those that selectors name. A host's name is no group. Neither is the frequency of its time stamp
// counter, which is measured, and part of the label's key or its value: it would make a class of each host.
func candidate(key string, selected map[string]struct{}) bool {
	if _, ok := selected[key]; ok || key == corev1.LabelArchStable {
		return key != corev1.LabelHostname
	}
	domain, _, ok := strings.Cut(key, "/")
	if !ok || domain == tscKeyDomain || domain == tscValueDomain {
		return false
	}
	sub, ok := strings.CutSuffix(domain, kubevirtDomain)
	return ok && (sub == "" || strings.HasSuffix(sub, "."))
}

func (c *classifier) groupsBy(key string) bool {
	if !candidate(key, c.selected) {
		return false
	}
	_, wide := c.wide[key]
	return !wide
}

// countAll adds to, or takes from, the number of hosts by label.
func (c *classifier) countAll(labels map[string]string, change int) {
	for key, value := range labels {
		if candidate(key, c.selected) {
			c.count(key, value, change)
		}
	}
}

func (c *classifier) count(key, value string, change int) {
	values := c.values[key]
	if values == nil {
		values = map[string]int{}
		c.values[key] = values
	}
	values[value] += change
	if values[value] == 0 {
		delete(values, value)
	}
	_, wide := c.wide[key]
	switch {
	case len(values) > c.limit && !wide:
		c.wide[key] = struct{}{}
		c.flipped[key] = struct{}{}
	case len(values) <= c.limit && wide:
		delete(c.wide, key)
		c.flipped[key] = struct{}{}
	}
	if len(values) == 0 {
		delete(c.values, key)
	}
}

// selectBy adds candidates; slots are all hosts.
func (c *classifier) selectBy(keys []string, slots []*slot) {
	for _, key := range keys {
		if len(c.selected) >= maxSelected {
			return
		}
		if key == corev1.LabelHostname || candidate(key, c.selected) {
			continue
		}
		c.selected[key] = struct{}{}
		c.flipped[key] = struct{}{}
		for _, s := range slots {
			if s == nil {
				continue
			}
			if value, ok := s.labels[key]; ok {
				c.count(key, value, 1)
			}
		}
	}
}

// regroup puts all hosts into the classes of the keys as they are now, and calls moved for those whose class changed.
// The new class follows from the old one and the values of the keys that flipped: labels are looked at once for each
// of these, and not for each host.
func (c *classifier) regroup(slots []*slot, moved func(*slot)) {
	if len(c.flipped) == 0 {
		return
	}
	keys := slices.Sorted(maps.Keys(c.flipped))
	clear(c.flipped)
	c.unpublished = true
	type origin struct {
		class  *class
		values string
	}
	to := map[origin]*class{}
	for _, s := range slots {
		if s == nil {
			continue
		}
		from := origin{class: s.class, values: valuesOf(s.labels, keys)}
		target := to[from]
		if target == nil {
			target = c.classFor(s.labels)
			to[from] = target
		}
		if c.move(s, target) {
			moved(s)
		}
	}
}

// valuesOf tells the values of some labels apart, and from having none.
func valuesOf(labels map[string]string, keys []string) string {
	var b strings.Builder
	for _, key := range keys {
		if value, ok := labels[key]; ok {
			b.WriteByte('=') // no value has one
			b.WriteString(value)
		}
		b.WriteByte(',')
	}
	return b.String()
}

func (c *classifier) classFor(labels map[string]string) *class {
	if found := c.find(labels); found != nil {
		return found
	}
	return c.create(labels)
}

// move puts a host into a class; it returns false when it is there already.
func (c *classifier) move(s *slot, to *class) bool {
	if to == s.class {
		return false
	}
	c.leave(s)
	s.class = to
	to.joined = append(to.joined, s.name)
	c.changed[to] = struct{}{}
	return true
}

func (c *classifier) leave(s *slot) {
	if s.class == nil {
		return
	}
	s.class.left = append(s.class.left, s.name)
	c.changed[s.class] = struct{}{}
	s.class = nil
}

// find returns the class of a host with the given labels, or nil. It changes nothing, and does not allocate.
func (c *classifier) find(labels map[string]string) *class {
	hash, n := c.hash(labels)
	for _, candidate := range c.byHash[hash] {
		if len(candidate.Labels) != n {
			continue
		}
		same := true
		for key, value := range candidate.Labels {
			if other, ok := labels[key]; !ok || other != value {
				same = false
				break
			}
		}
		if same && c.current(candidate) {
			return candidate
		}
	}
	return nil
}

// current is false for a class of a time when hosts were grouped by other keys.
func (c *classifier) current(of *class) bool {
	for key := range of.Labels {
		if !c.groupsBy(key) {
			return false
		}
	}
	return true
}

// hash of the labels that count, in any order, and how many they are.
func (c *classifier) hash(labels map[string]string) (sum uint64, n int) {
	for key, value := range labels {
		if c.groupsBy(key) {
			h := maphash.String(c.seed, key)*31 + maphash.String(c.seed, value)
			h ^= h >> 32
			sum += h * 0x9e3779b97f4a7c15
			n++
		}
	}
	return sum, n
}

func (c *classifier) create(labels map[string]string) *class {
	c.last++
	created := &class{Class: Class{ID: c.last, Labels: map[string]string{}}}
	for key, value := range labels {
		if c.groupsBy(key) {
			created.Labels[key] = value
		}
	}
	created.hash, _ = c.hash(labels)
	c.byHash[created.hash] = append(c.byHash[created.hash], created)
	c.changed[created] = struct{}{}
	return created
}

// publish returns the classes as they are now; changed is false when they are as they were.
func (c *classifier) publish() (g *groups, changed bool) {
	if len(c.changed) == 0 && !c.unpublished {
		return nil, false
	}
	for of := range c.changed {
		hosts := make([]string, 0, max(len(of.Hosts)+len(of.joined)-len(of.left), 0))
		left := make(map[string]struct{}, len(of.left))
		for _, name := range of.left {
			left[name] = struct{}{}
		}
		for _, name := range of.Hosts {
			if _, gone := left[name]; !gone {
				hosts = append(hosts, name)
			}
		}
		hosts = append(hosts, of.joined...)
		slices.Sort(hosts)
		of.Hosts, of.joined, of.left = hosts, nil, nil
		if len(hosts) == 0 {
			c.drop(of)
		}
	}
	clear(c.changed)
	c.unpublished = false
	g = &groups{selected: maps.Clone(c.selected), wide: maps.Clone(c.wide)}
	for _, bucket := range c.byHash {
		for _, of := range bucket {
			g.classes = append(g.classes, of.Class)
		}
	}
	slices.SortFunc(g.classes, func(a, b Class) int { return int(a.ID - b.ID) })
	return g, true
}

func (c *classifier) drop(of *class) {
	rest := slices.DeleteFunc(c.byHash[of.hash], func(other *class) bool { return other == of })
	if len(rest) == 0 {
		delete(c.byHash, of.hash)
		return
	}
	c.byHash[of.hash] = rest
}
