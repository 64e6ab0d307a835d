// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package victims

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// vec is amounts of CPU and memory.
type vec [2]int64

func (v vec) plus(w vec) vec  { return vec{v[0] + w[0], v[1] + w[1]} }
func (v vec) minus(w vec) vec { return vec{v[0] - w[0], v[1] - w[1]} }
func (v vec) in(w vec) bool   { return v[0] <= w[0] && v[1] <= w[1] }

// guest is a VM, or the pod that wants room.
type guest struct {
	size vec
	node int
	// apart are the guests that may not share a node with it, by number, and so the other way round.
	apart []int
	// bound, if any, are the only nodes that may be its home.
	bound    []int
	subject  Subject
	violates bool
	// pod is true for one that is no VM, and is always shut down.
	pod bool
}

// cluster answers by arithmetic what the scheduler's filters answer in earnest. The last of the guests is the preemptor.
type cluster struct {
	nodes  []vec
	guests []guest
	rules  Rules
	// crowded is the node on which most guests are.
	crowded int
}

func (c *cluster) preemptor() int { return len(c.guests) - 1 }

const nowhere = -1

func (c *cluster) clone() *cluster {
	return &cluster{nodes: c.nodes, guests: slices.Clone(c.guests), rules: c.rules}
}

// free returns what nobody has taken of a node.
func (c *cluster) free(node int) vec {
	free := c.nodes[node]
	for i := range c.guests {
		if c.guests[i].node == node {
			free = free.minus(c.guests[i].size)
		}
	}
	return free
}

// takes says whether a node takes a guest as things are.
func (c *cluster) takes(node, guest int) bool {
	for _, other := range c.guests[guest].apart {
		if c.guests[other].node == node {
			return false
		}
	}
	return c.guests[guest].size.in(c.free(node))
}

// broken says what is wrong with a cluster, "" if nothing is.
func (c *cluster) broken() string {
	for node := range c.nodes {
		if free := c.free(node); !(vec{}).in(free) {
			return fmt.Sprintf("node %d is overfull: %v are left", node, free)
		}
	}
	for i, g := range c.guests {
		for _, other := range g.apart {
			if g.node != nowhere && c.guests[other].node == g.node {
				return fmt.Sprintf("%d and %d are both on node %d", i, other, g.node)
			}
		}
	}
	return ""
}

// even draws numbers all of which are about as likely; rapid's own prefer small ones, and so few and small guests.
func even(least, most int) *rapid.Generator[int] {
	return rapid.Custom(func(t *rapid.T) int {
		n := 0
		for range 8 {
			n <<= 1
			if rapid.Bool().Draw(t, "bit") {
				n++
			}
		}
		return least + n%(most-least+1)
	})
}

func drawVec(t *rapid.T, what string, least, most vec) vec {
	return vec{
		int64(even(int(least[0]), int(most[0])).Draw(t, what+"'s cpu")), int64(even(int(least[1]), int(most[1])).Draw(t, what+"'s memory")),
	}
}

// drawCluster draws up to 6 nodes with up to 12 guests, of which many are often on one node, and a preemptor that is larger than
// most.
func drawCluster(t *rapid.T) *cluster {
	c := &cluster{rules: drawRules(t)}
	for range even(1, 6).Draw(t, "nodes") {
		c.nodes = append(c.nodes, drawVec(t, "node", vec{2, 4}, vec{10, 24}))
	}
	crowded := even(0, len(c.nodes)-1).Draw(t, "crowded node")
	c.nodes[crowded] = c.nodes[crowded].plus(drawVec(t, "crowded node", vec{}, vec{16, 36}))
	c.crowded = crowded
	pods := even(0, 3).Draw(t, "pods in 8")       // that are no VMs
	willing := even(0, 7).Draw(t, "movable in 8") // whatever the rules
	for range even(1, 12).Draw(t, "guests") {
		g := guest{
			size: drawVec(t, "guest", vec{1, 1}, vec{3, 6}), node: nowhere, pod: even(0, 7).Draw(t, "kind") < pods,
			subject: drawSubject(t), violates: even(0, 3).Draw(t, "violates") == 3,
		}
		if even(0, 7).Draw(t, "willing") < willing {
			g.subject = Subject{Strategy: model.EvictionLiveMigrate, Migratable: true, Ours: true}
		}
		if even(0, 9).Draw(t, "bound") == 9 {
			g.bound = []int{even(0, len(c.nodes)-1).Draw(t, "to"), even(0, len(c.nodes)-1).Draw(t, "or to")}
		}
		c.add(t, g)
		wished := crowded
		if even(0, 2).Draw(t, "elsewhere") == 2 {
			wished = even(0, len(c.nodes)-1).Draw(t, "node")
		}
		vm := len(c.guests) - 1
		for n := range c.nodes {
			if node := (wished + n) % len(c.nodes); c.takes(node, vm) {
				c.guests[vm].node = node
				break
			}
		}
	}
	c.add(t, guest{node: nowhere, size: drawPreemptor(t, c.free(crowded))})
	return c
}

// drawCrowd draws a cluster in which a dozen VMs are on the first node, and on the others there is room for few of them.
func drawCrowd(t *rapid.T) *cluster {
	c := &cluster{nodes: []vec{{}}}
	for range even(1, 5).Draw(t, "other nodes") {
		c.nodes = append(c.nodes, drawVec(t, "node", vec{}, vec{7, 15}))
	}
	pods := even(0, 4).Draw(t, "pods in 12")
	for range 12 {
		g := guest{
			size: drawVec(t, "guest", vec{1, 1}, vec{4, 8}), pod: even(1, 12).Draw(t, "kind") <= pods,
			subject: Subject{Strategy: model.EvictionLiveMigrate, Migratable: true, Ours: true},
		}
		c.nodes[0] = c.nodes[0].plus(g.size)
		c.guests = append(c.guests, g)
	}
	half := vec{c.nodes[0][0] / 2, c.nodes[0][1] / 2}
	c.guests = append(c.guests, guest{node: nowhere, size: drawVec(t, "preemptor", vec{}, half)})
	return c
}

// drawPreemptor draws one that lacks some of what it needs on a node of which so much is free.
func drawPreemptor(t *rapid.T, free vec) vec {
	size := free.plus(drawVec(t, "preemptor", vec{-1, -2}, vec{7, 16}))
	return vec{max(size[0], 0), max(size[1], 0)}
}

// add adds a guest, which may have to be apart from one that is there.
func (c *cluster) add(t *rapid.T, g guest) {
	if len(c.guests) > 0 && even(0, 3).Draw(t, "apart") == 3 {
		other := even(0, len(c.guests)-1).Draw(t, "from")
		g.apart = []int{other}
		c.guests[other].apart = append(slices.Clone(c.guests[other].apart), len(c.guests))
	}
	c.guests = append(c.guests, g)
}

// site is one node of a cluster, from which room is wanted: a Place, and Houses for those that move away.
type site struct {
	*cluster
	node int
	// who are the guests that may go, as Choose numbers them.
	who []int
	all []Victim
	// puts bounds each search for homes.
	puts  int
	asked Budget
	// homes are those of the last yes, by guest.
	homes map[int]int
}

// siteOf finds by FateOf who may go from a node. Whoever is numbered lower is more important.
func siteOf(c *cluster, node int) *site {
	s := &site{cluster: c, node: node, puts: 100_000}
	for i, g := range c.guests {
		fate, _ := c.rules.FateOf(g.subject)
		if g.pod {
			fate = Evicted
		}
		if g.node == node && fate != Spared {
			s.who = append(s.who, i)
			s.all = append(s.all, Victim{Moves: fate.Moves(), Memory: g.size[1], Violates: g.violates, Frees: g.size[:]})
		}
	}
	return s
}

// short is what the preemptor lacks.
func (s *site) short() []int64 {
	short := s.guests[s.preemptor()].size.minus(s.free(s.node))
	return short[:]
}

func (s *site) Fits(gone []bool) (bool, error) {
	s.asked.Fits++
	after := s.clone()
	for v, g := range s.who {
		if gone[v] {
			after.guests[g].node = nowhere
		}
	}
	return after.takes(s.node, s.preemptor()), nil
}

func (s *site) Homes(moved []int) (bool, error) {
	s.asked.Homes++
	vms := make([]int, 0, len(moved))
	for _, v := range moved {
		vms = append(vms, s.who[v])
	}
	houses := &site{cluster: s.clone(), node: s.node}
	for _, vm := range vms {
		houses.guests[vm].node = nowhere // its home is elsewhere anyway
	}
	homes, ok, err := Rehome(vms, houses, s.puts)
	if ok {
		s.homes = map[int]int{}
		for i, vm := range vms {
			s.homes[vm] = homes[i]
		}
	}
	return ok, err
}

// Candidates are all nodes that the VM may go to and that have the memory, the emptiest first.
func (s *site) Candidates(vm int) ([]int, error) {
	var candidates []int
	for node := range s.nodes {
		bound := s.guests[vm].bound
		if node != s.node && (bound == nil || slices.Contains(bound, node)) && s.guests[vm].size[1] <= s.free(node)[1] {
			candidates = append(candidates, node)
		}
	}
	slices.SortStableFunc(candidates, func(a, b int) int { return cmp.Compare(s.free(b)[1], s.free(a)[1]) })
	return candidates, nil
}

func (s *site) Put(vm, host int) (bool, error) {
	if s.guests[vm].node != nowhere {
		return false, fmt.Errorf("VM %d is put on node %d, and is on node %d", vm, host, s.guests[vm].node)
	}
	if !s.takes(host, vm) {
		return false, nil
	}
	s.guests[vm].node = host
	return true, nil
}

func (s *site) Take(vm, host int) error {
	if s.guests[vm].node != host {
		return fmt.Errorf("VM %d is taken from node %d, and is on node %d", vm, host, s.guests[vm].node)
	}
	s.guests[vm].node = nowhere
	return nil
}

// optimum is the cheapest way to make room, by trying all.
type optimum struct {
	found      bool
	cost       Cost
	violations int
}

// exhaustive looks at every set of those that may go, and for homes at every way to share them out among the hosts.
func (s *site) exhaustive() optimum {
	housed := s.allHoused()
	best := optimum{cost: Cost{Kills: math.MaxInt}}
	for mask := range 1 << len(s.who) {
		after := s.clone()
		var chosen []int
		moved, violations := 0, 0
		for v, g := range s.who {
			if mask&(1<<v) == 0 {
				continue
			}
			after.guests[g].node = nowhere
			chosen = append(chosen, v)
			if s.all[v].Moves {
				moved |= 1 << v
			}
			if s.all[v].Violates {
				violations++
			}
		}
		if !housed[moved] || !after.takes(s.node, s.preemptor()) {
			continue
		}
		cost := CostOf(s.all, chosen)
		if c := cost.Compare(best.cost); c < 0 || c == 0 && violations < best.violations {
			best = optimum{found: true, cost: cost, violations: violations}
		}
	}
	return best
}

// allHoused says of every set of those that may go whether all could be elsewhere at the same time: node by node, each
// part of a set may be on it.
func (s *site) allHoused() []bool {
	housed := make([]bool, 1<<len(s.who))
	housed[0] = true
	for node := range s.nodes {
		if node == s.node {
			continue
		}
		next := slices.Clone(housed)
		for part := 1; part < len(housed); part++ {
			if !s.together(node, part) {
				continue
			}
			for mask := range housed {
				if mask&part == part && housed[mask&^part] {
					next[mask] = true
				}
			}
		}
		housed = next
	}
	return housed
}

// together says whether a set of those that may go could be on a node.
func (s *site) together(node, mask int) bool {
	free := s.free(node)
	for v, g := range s.who {
		if mask&(1<<v) == 0 {
			continue
		}
		free = free.minus(s.guests[g].size)
		if bound := s.guests[g].bound; bound != nil && !slices.Contains(bound, node) {
			return false
		}
		for _, other := range s.guests[g].apart {
			w := slices.Index(s.who, other)
			if s.guests[other].node == node || w >= 0 && mask&(1<<w) != 0 {
				return false
			}
		}
	}
	return vec{}.in(free)
}
