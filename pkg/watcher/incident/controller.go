// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/metrics"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

const (
	// workers is how many nodes are worked on at once; each may wait seconds for its BMC.
	workers = 10
	// scanInterval is how soon a Lease that went stale is noticed.
	scanInterval = time.Second
	// Failed passes are tried again soon, and never later than a few seconds: a rescue must not wait for a back-off.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Waker hands the names of nodes to the controller's queue. The watches call it before the controller has started as well as after.
type Waker struct {
	index *Index
	nodes *observe.Nodes

	mu    sync.Mutex
	queue queue
}

// NewWaker returns a waker for nodes that have incidents in the index.
func NewWaker(index *Index, nodes *observe.Nodes) *Waker { return &Waker{index: index, nodes: nodes} }

// Changed wakes the incidents of a node, if it has any.
func (w *Waker) Changed(node string) {
	var tainted string
	if n := w.nodes.Get(node); n != nil {
		tainted = observe.TaintValue(n)
	}
	if len(w.index.Open(node, tainted)) > 0 {
		w.wake(node)
	}
}

func (w *Waker) wake(node string) {
	w.mu.Lock()
	q := w.queue
	w.mu.Unlock()
	if q != nil {
		q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: node}})
	}
}

// AddToManager starts the reconciler with the manager: in every process, for the gate says which one works.
func (r *Reconciler) AddToManager(mgr manager.Manager, waker *Waker, ticks clock.WithTicker) error {
	c, err := controller.New("incident", mgr, controller.Options{
		Reconciler:              r,
		MaxConcurrentReconciles: workers,
		NeedLeaderElection:      ptr.To(false),
		LogConstructor: func(req *reconcile.Request) logr.Logger {
			log := mgr.GetLogger().WithName("incident")
			if req != nil {
				log = log.WithValues("node", req.Name)
			}
			return log
		},
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
	})
	if err != nil {
		return fmt.Errorf("incident controller: %w", err)
	}
	return c.Watch(source.Func(func(ctx context.Context, q queue) error {
		waker.mu.Lock()
		waker.queue = q
		waker.mu.Unlock()
		go r.scan(ctx, waker, ticks)
		return nil
	}))
}

// scan wakes what no event wakes: nodes whose Lease has gone stale, and, when this process begins to lead, every incident.
func (r *Reconciler) scan(ctx context.Context, waker *Waker, ticks clock.WithTicker) {
	ticker := ticks.NewTicker(scanInterval)
	defer ticker.Stop()
	led := false
	for {
		leading, changed := r.Gate.Leading()
		if leading {
			metrics.Leading.Set(1)
			r.scanOnce(waker, !led)
		} else {
			metrics.Leading.Set(0)
		}
		led = leading
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ticker.C():
		}
	}
}

func (r *Reconciler) scanOnce(waker *Waker, all bool) {
	if all {
		for _, node := range r.Index.Nodes() {
			waker.wake(node)
		}
	}
	if !r.Tracker.Answering() {
		return
	}
	var names []string
	r.Nodes.Each(func(node *corev1.Node) { names = append(names, node.Name) })
	for _, name := range names {
		if !r.Index.Busy(name) && r.suspicious(name) {
			waker.wake(name)
		}
	}
}
