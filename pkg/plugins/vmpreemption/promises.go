// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
)

// promises are the homes of VMs that move to make room. KubeVirt makes a target pod when it comes to it, and until that is placed nothing in the
// snapshot says that there is less room on its home than there seems to be: without them the VMs of all who come at about the same time
// would be sent to the same host. A scheduler that starts anew knows none.
type promises struct {
	mu   sync.Mutex
	byVM map[types.UID]promise
}

type promise struct {
	home   string
	target fwk.PodInfo // as it would be there
	// kept is false when the VM has moved, or does not have to any more.
	kept func() bool
}

// promise notes the homes of a plan that is about to be carried out; of nil there are none.
func (pl *VMPreemption) promise(preemptor types.UID, p *plan) {
	if p == nil {
		pl.attempts.forget(preemptor)
		return
	}
	kept := func() bool {
		if pl.evaluator.IsPodRunningPreemption(preemptor) {
			return true
		}
		node, going := pl.tracker.Going(preemptor)
		return going && node == p.moves.Node
	}
	for _, s := range p.steps {
		if s.fate == victims.Moved {
			pl.promises.add(s.move.UID, promise{home: s.move.Home, target: s.home, kept: kept})
		}
	}
}

func (ps *promises) add(vm types.UID, p promise) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.byVM[vm] = p
}

// moving is true for a VM that is to move, also when KubeVirt has not begun with it.
func (ps *promises) moving(vm types.UID) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p, ok := ps.byVM[vm]
	return ok && p.kept()
}

// arriving returns who is on the way to each host, and forgets who is not any more.
func (ps *promises) arriving() map[string][]arrival {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.byVM) == 0 {
		return nil
	}
	byHome := map[string][]arrival{}
	for vm, p := range ps.byVM {
		if !p.kept() {
			delete(ps.byVM, vm)
			continue
		}
		byHome[p.home] = append(byHome[p.home], arrival{vm: vm, target: p.target})
	}
	return byHome
}

// arrival is a VM that is on the way to a host.
type arrival struct {
	vm     types.UID
	target fwk.PodInfo
	host   fwk.NodeInfo // with all who arrive there
}

// expecting returns a host as it will be when all have arrived, and those who are not there yet.
func expecting(host fwk.NodeInfo, arriving []arrival) (fwk.NodeInfo, []arrival) {
	there := map[types.UID]bool{}
	for _, pod := range host.GetPods() {
		if vm, ok := adapt.VMOf(pod.GetPod()); ok {
			there[vm] = true
		}
	}
	var missing []arrival
	for _, a := range arriving {
		if there[a.vm] {
			continue // its target is placed, and counts by itself
		}
		if len(missing) == 0 {
			host = host.Snapshot()
		}
		host.AddPodInfo(a.target)
		missing = append(missing, a)
	}
	for i := range missing {
		missing[i].host = host
	}
	return host, missing
}
