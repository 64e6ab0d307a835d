// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// guest is what hosts are compared with: the wishes of a VM, which many VMs share.
type guest struct {
	demands *fit.Demands
	// owner is the owner's own choice of hosts, nil when there is none.
	owner *nodeaffinity.RequiredNodeAffinity
	// names is true when the owner's choice looks at more of a node than labels: its name.
	names bool
	// demandKeys and ownerKeys are the keys of the labels that decide.
	demandKeys, ownerKeys []string

	table atomic.Pointer[table]
}

// table has a guest's verdicts on the classes of one catalog, by position. It is not changed once it is made.
type table struct {
	of *catalog
	// verdicts is nil when the labels of the classes do not tell; then nodes are to be judged one by one.
	verdicts []fit.Verdict
	// accepts says whether the owner lets the VM run on hosts of a class; nil as above.
	accepts []bool
}

// guests remembers guests by their wishes.
type guests struct {
	mu    sync.Mutex
	known map[guestKey]*guest
}

// guestKey: VMs that wish the same share one model.Wishes.
type guestKey struct {
	wishes    *model.Wishes
	dedicated bool
}

// maxGuests bounds what is remembered. Where each VM has wishes of its own it is of no use to remember them.
const maxGuests = 1024

// of returns the guest of a VM. What was guessed from a pod is not shared, and not remembered.
func (g *guests) of(vm *model.VM) *guest {
	if vm.Guessed || vm.Wishes == nil {
		return newGuest(vm)
	}
	key := guestKey{vm.Wishes, vm.Size.DedicatedCPUs}
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.known[key]; ok {
		return known
	}
	if g.known == nil || len(g.known) >= maxGuests {
		g.known = map[guestKey]*guest{}
	}
	made := newGuest(vm)
	g.known[key] = made
	return made
}

func newGuest(vm *model.VM) *guest {
	g := &guest{demands: fit.DemandsOf(vm)}
	g.demandKeys = g.demands.Labels()
	w := vm.Wishes
	if w == nil || len(w.NodeSelector) == 0 && w.NodeAffinity == nil {
		return g
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{NodeSelector: w.NodeSelector}}
	for key := range w.NodeSelector {
		g.ownerKeys = append(g.ownerKeys, key)
	}
	if w.NodeAffinity != nil {
		pod.Spec.Affinity = &corev1.Affinity{
			NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: w.NodeAffinity},
		}
		for _, term := range w.NodeAffinity.NodeSelectorTerms {
			g.names = g.names || len(term.MatchFields) > 0
			for _, expression := range term.MatchExpressions {
				g.ownerKeys = append(g.ownerKeys, expression.Key)
			}
		}
	}
	owner := nodeaffinity.GetRequiredNodeAffinity(pod)
	g.owner = &owner
	return g
}

// tableOf returns the guest's verdicts on the classes of a catalog; they are computed once for both.
func (pl *VMNodeSelection) tableOf(g *guest, c *catalog) *table {
	if t := g.table.Load(); t != nil && t.of == c {
		return t
	}
	t := &table{of: c}
	if told(pl.view, g.demandKeys) {
		t.verdicts = make([]fit.Verdict, len(c.hosts))
		for i, host := range c.hosts {
			t.verdicts[i] = g.demands.Judge(host.Host, pl.insist)
		}
	}
	if g.owner != nil && !g.names && told(pl.view, g.ownerKeys) {
		t.accepts = make([]bool, len(c.hosts))
		for i := range c.classes {
			t.accepts[i] = g.lets(&corev1.Node{ObjectMeta: metaOf(c.classes[i])})
		}
	}
	g.table.Store(t)
	return t
}

// told is true when the labels of a class tell all about the given keys. Keys that hosts are not grouped by yet are
// asked for, so that at the next cycle they are.
func told(view *clusterview.View, keys []string) bool {
	view.SelectBy(keys...)
	for _, key := range keys {
		if !view.GroupsBy(key) {
			return false
		}
	}
	return true
}

// lets is true when the guest's owner lets it run on a node.
func (g *guest) lets(node *corev1.Node) bool {
	if g.owner == nil {
		return true
	}
	ok, err := g.owner.Match(node)
	return ok && err == nil // a choice that cannot be read is refused by plugin NodeAffinity, for all hosts
}

// verdict says whether a node has what the guest wishes of labels. at is the position of the node's class, or -1.
func (t *table) verdict(g *guest, node *corev1.Node, at int, insist fit.Classes) fit.Verdict {
	if t.verdicts == nil || at < 0 {
		return g.demands.Judge(fit.HostOf(node.Labels), insist)
	}
	return t.verdicts[at]
}

// accepted says whether the guest's owner lets it run on a node.
func (t *table) accepted(g *guest, node *corev1.Node, at int) bool {
	if t.accepts == nil || at < 0 {
		return g.lets(node)
	}
	return t.accepts[at]
}
