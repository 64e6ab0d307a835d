// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/follow"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/perscheduler"
)

// usual is how patient a Tracker is.
var usual = patience{grace: 3 * time.Second, settle: 10 * time.Second, again: 5 * time.Second, late: 2 * time.Minute}

// workers is how many preemptors are dealt with at once: that is waiting for answers.
const workers = 4

// Pool hands out one Tracker per scheduler, whose profiles share it.
type Pool = perscheduler.Pool[*Tracker]

// NewPool returns an empty pool whose trackers measure time by a clock.
func NewPool(clock clock.WithTicker) *Pool {
	return perscheduler.NewPool(func(ctx context.Context, handle fwk.Handle) (*Tracker, error) {
		return Start(ctx, handle, clock)
	})
}

// Tracker knows the migrations of one cluster, and the room that is made by those of one scheduler. Its methods may be called at any time, by many
// goroutines, also where KubeVirt is not installed: then there are none, and none can be asked for.
type Tracker struct {
	outside  outside
	clock    clock.WithTicker
	patience patience
	queue    workqueue.TypedDelayingInterface[types.UID]
	ready    atomic.Bool

	mu    sync.RWMutex
	index index
	rooms map[types.UID]room // by the preemptor
	// due are effects that nobody has seen to yet.
	due map[types.UID][]effect
}

// Start returns a Tracker that follows the cluster until ctx ends, once it knows what is there; see [crdwatch.Watch.AwaitFirst] for when it does not
// wait. Without a client configuration it knows nothing, and asks for nothing.
func Start(ctx context.Context, handle fwk.Handle, clock clock.WithTicker) (*Tracker, error) {
	factory := handle.SharedInformerFactory()
	if factory == nil {
		return nil, errors.New("the scheduler's handle has no informers")
	}
	informer := factory.Core().V1().Pods().Informer()
	out, err := newCluster(handle, informer.HasSynced)
	if err != nil {
		return nil, err
	}
	t := newTracker(out, clock, usual)
	context.AfterFunc(ctx, t.queue.ShutDown)
	for range workers {
		go t.run(ctx)
	}
	if _, err := follow.Until(ctx, informer, follow.Handler(t.podChanged, t.podChanged)); err != nil {
		return nil, fmt.Errorf("following pods: %w", err)
	}
	if handle.KubeConfig() == nil {
		return t, nil
	}
	watch, err := crdwatch.New(handle.KubeConfig(), migrationsAPI, keep)
	if err != nil {
		return nil, err
	}
	go func() {
		if err := watch.Run(ctx, follow.Handler(t.seen, t.gone), func() { t.ready.Store(true) }); err != nil {
			klog.FromContext(ctx).Error(err, "Watching VirtualMachineInstanceMigrations")
		}
	}()
	watch.AwaitFirst(ctx)
	return t, nil
}

func newTracker(out outside, clock clock.WithTicker, p patience) *Tracker {
	return &Tracker{
		outside: out, clock: clock, patience: p,
		queue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[types.UID]{Clock: clock}),
		index: newIndex(), rooms: map[types.UID]room{}, due: map[types.UID][]effect{},
	}
}

// Ready is true once all migrations of the cluster have been read. Before, none can be asked for.
func (t *Tracker) Ready() bool { return t.ready.Load() }

// Going says whether VMs are moving away from a node to make room for a pod, and from which.
func (t *Tracker) Going(preemptor types.UID) (node string, going bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if p := t.rooms[preemptor].plan; p != nil {
		return p.node, true
	}
	return "", false
}

// Ours says whether a migration is one that makes room for a pod.
func (t *Tracker) Ours(migration types.UID) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.index.uids[migration] {
		return true
	}
	for _, r := range t.rooms {
		if r.plan != nil && slices.ContainsFunc(r.plan.moves, func(m moving) bool { return m.uid == migration }) {
			return true
		}
	}
	return false
}

// Excluded is true while room is not to be made on a host for a pod, because it came to nothing a while ago. It ends with the time that the plan said,
// or when the host is not as it was when this was asked for the first time after that. host is to be as the scheduler's snapshot has it.
func (t *Tracker) Excluded(preemptor types.UID, host fwk.NodeInfo) bool {
	node := host.Node().Name
	t.mu.RLock()
	_, ok := t.rooms[preemptor].excluded[node]
	t.mu.RUnlock()
	if !ok {
		return false
	}
	now, print := t.clock.Now(), fingerprint(host)
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rooms[preemptor].clone()
	e, ok := r.excluded[node]
	if !ok {
		return false
	}
	excluded := now.Before(e.until) && (!e.known || e.fingerprint == print)
	if excluded {
		e.known, e.fingerprint = true, print
		r.excluded[node] = e
	} else {
		delete(r.excluded, node)
		delete(r.promises, node) // it may be nominated to it again
	}
	t.rooms[preemptor] = r
	return excluded
}

// UnderWay returns how many migrations there are that have not ended, or will be asked for at once, of whomever: in the cluster, and away from a node.
// Those of others whose source KubeVirt has not named yet count in the cluster only.
func (t *Tracker) UnderWay(node string) (inCluster, onNode int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, m := range t.index.unfinished {
		inCluster++
		source := m.source
		if source == "" && m.sourcePod != "" {
			source = t.outside.hostOf(types.NamespacedName{Namespace: m.Namespace, Name: m.sourcePod})
		}
		if source == node {
			onNode++
		}
	}
	for _, r := range t.rooms {
		if r.plan == nil {
			continue
		}
		for i := range r.plan.moves {
			m := &r.plan.moves[i]
			if m.stage != planned && m.stage != asking && m.stage != written || t.index.unfinished[m.name] != nil {
				continue
			}
			inCluster++
			if r.plan.node == node {
				onNode++
			}
		}
	}
	return inCluster, onNode
}

// GiveUp gives up the moves for a pod, if there are any under way.
func (t *Tracker) GiveUp(ctx context.Context, preemptor types.UID, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.rooms[preemptor]; r.plan != nil {
		t.giveUp(ctx, r, r.plan.node, why, r.plan.retryAfter)
	}
}

// GiveUpPlan gives up a plan, because something that belongs to it, and is no move, could not be done: the node is excluded, and no nomination is left
// on it. It may be called again, and after a move has been refused.
func (t *Tracker) GiveUpPlan(ctx context.Context, plan Plan, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.giveUp(ctx, t.roomOf(plan.preemptor()), plan.Node, err.Error(), plan.retryAfter())
}

// giveUp is called with the lock.
func (t *Tracker) giveUp(ctx context.Context, r room, node, why string, retryAfter time.Duration) {
	klog.FromContext(ctx).V(2).Info("No room is made", "preemptor", klog.KRef(r.preemptor.Namespace, r.preemptor.Name), "node", klog.KRef("", node), "reason", why)
	r, effects := giveUp(r, node, why, retryAfter, t.clock.Now(), t.patience)
	t.put(r, effects)
	t.queue.Add(r.preemptor.uid)
}

func (t *Tracker) roomOf(p preemptor) room {
	if r, ok := t.rooms[p.uid]; ok {
		return r
	}
	return newRoom(p)
}

func (t *Tracker) put(r room, effects []effect) {
	t.rooms[r.preemptor.uid] = r
	t.due[r.preemptor.uid] = append(t.due[r.preemptor.uid], effects...)
}

func (t *Tracker) podChanged(pod *corev1.Pod) {
	t.mu.RLock()
	_, ok := t.rooms[pod.UID]
	t.mu.RUnlock()
	if ok {
		t.queue.Add(pod.UID)
	}
}

func (t *Tracker) seen(m *migration) {
	t.mu.Lock()
	t.index.set(m)
	t.mu.Unlock()
	t.changed(m)
}

func (t *Tracker) gone(m *migration) {
	t.mu.Lock()
	t.index.remove(m.key())
	t.mu.Unlock()
	t.changed(m)
}

func (t *Tracker) changed(m *migration) {
	if m.ours != nil {
		t.queue.Add(m.ours.preemptor.uid)
	}
}

func (t *Tracker) run(ctx context.Context) {
	for {
		uid, ended := t.queue.Get()
		if ended {
			return
		}
		t.process(ctx, uid)
		t.queue.Done(uid)
	}
}

// process brings the room for one preemptor up to date.
func (t *Tracker) process(ctx context.Context, uid types.UID) {
	t.mu.Lock()
	again := t.advance(uid)
	r, effects := t.rooms[uid], t.due[uid]
	delete(t.due, uid)
	if r.empty() && !t.anyLive(uid) {
		delete(t.rooms, uid)
	}
	t.mu.Unlock()
	for _, e := range effects {
		t.do(ctx, r.preemptor, e)
	}
	if again > 0 {
		t.queue.AddAfter(uid, again)
	}
}

// advance is called with the lock. It returns after how long it is to be called again at the latest; 0: when something changes.
func (t *Tracker) advance(uid types.UID) time.Duration {
	ours := slices.Collect(maps.Values(t.index.ours[uid]))
	r, ok := t.rooms[uid]
	if !ok {
		if !t.anyLive(uid) {
			return 0
		}
		r = newRoom(ours[0].ours.preemptor)
	}
	v := view{migrations: ours}
	v.presence, v.nominated = t.outside.look(r.preemptor)
	now := t.clock.Now()
	r, effects, at := next(r, v, now, t.patience)
	t.put(r, effects)
	if at.IsZero() {
		return 0
	}
	return max(at.Sub(now), 1)
}

func (t *Tracker) anyLive(preemptor types.UID) bool {
	for _, m := range t.index.ours[preemptor] {
		if m.live() {
			return true
		}
	}
	return false
}
