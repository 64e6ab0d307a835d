// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
	"github.com/virt-scheduler/virt-scheduler/pkg/moves"
)

// attempt is one search for room for one pod.
type attempt struct {
	preemptor fwk.PodInfo
	homes     *homes // while it is searched

	mu sync.Mutex
	// plans are what would be done on nodes, by their name; of nodes on which no VM would have to go there is none.
	plans map[string]*plan
}

// plan is what is to be done on a node. It is not changed once it is made, but for what follows begin.
type plan struct {
	cost  victims.Cost
	steps map[types.UID]step // by the victim's pod
	moves moves.Plan

	begin sync.Once
	// failed is why it came to nothing. Who was waited for begin may read it.
	failed error

	mu sync.Mutex
	// shut is when the last VM was evicted, or signalled; zero if none was.
	shut time.Time
}

// step is what is to be done to a VM.
type step struct {
	// fate is what becomes of it; Spared for one that waits in Permit, which is rejected.
	fate victims.Fate
	move moves.Move  // for one that is moved
	home fwk.PodInfo // likewise: its target as it would be on its home
}

func (a *attempt) set(node string, p *plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plans[node] = p
}

// on returns the plan for a node, or nil.
func (a *attempt) on(node string) *plan {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.plans[node]
}

// only forgets all that is not needed to carry out the plan for a node.
func (a *attempt) only(node string) {
	a.homes = nil
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plans = map[string]*plan{node: a.plans[node]}
}

func (p *plan) shutAt(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = now
}

// shutSince says since when VMs that were evicted or signalled are waited for; ok is false if none was.
func (p *plan) shutSince() (at time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shut, !p.shut.IsZero()
}

// attempts are those that are carried out, or were last, by the UID of the preemptor. It is for all goroutines.
type attempts struct {
	mu    sync.Mutex
	byPod map[types.UID]*attempt
	// sweep is the number above which those whose pods are gone are looked for.
	sweep int
}

const fewAttempts = 256

// remember keeps an attempt for those who carry it out. It forgets those of pods that are gone, often enough for there to be at most about twice
// as many as pods that wait.
func (as *attempts) remember(a *attempt, gone func(types.UID, *attempt) bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.byPod == nil {
		as.byPod, as.sweep = map[types.UID]*attempt{}, fewAttempts
	}
	if len(as.byPod) >= as.sweep {
		for uid, old := range as.byPod {
			if gone(uid, old) {
				delete(as.byPod, uid)
			}
		}
		as.sweep = max(fewAttempts, 2*len(as.byPod))
	}
	as.byPod[a.preemptor.GetPod().UID] = a
}

func (as *attempts) forget(preemptor types.UID) {
	as.mu.Lock()
	defer as.mu.Unlock()
	delete(as.byPod, preemptor)
}

// of returns the attempt for a preemptor, or nil.
func (as *attempts) of(preemptor types.UID) *attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.byPod[preemptor]
}

// gone is true for an attempt for a pod that does not wait any more.
func (pl *VMPreemption) gone(uid types.UID, a *attempt) bool {
	pod := a.preemptor.GetPod()
	now, err := pl.evaluator.PodLister.Pods(pod.Namespace).Get(pod.Name)
	return err != nil || now.UID != uid || now.Spec.NodeName != ""
}
