// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"
	"errors"
	"fmt"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/election"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/kubevirtapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

const (
	// maxPasses bounds how often one Reconcile looks again at once; more is a loop, which the queue slows down.
	maxPasses = 20
	// idle is when an incident that waits for a change is looked at without one.
	idle = 30 * time.Second
	// silent is when work is tried again that found the API server silent.
	silent = time.Second
)

// Health is what the reconciler needs to know of, and tell to, the checks of the BMCs.
type Health interface {
	// Disabled says why the node's BMC must not be believed; empty when it may.
	Disabled(ctx context.Context, node string) string
	// Distrust disables the BMC of a node until it was seen to tell the truth.
	Distrust(ctx context.Context, node, message string)
}

// Reconciler runs the incidents of one node at a time. All fields are required.
type Reconciler struct {
	// Live reads and writes without a cache.
	Live     client.Client
	KubeVirt *kubevirtapi.Reader
	Nodes    *observe.Nodes
	Tracker  *observe.Tracker
	Index    *Index
	Gate     *election.Gate
	Fencing  *fencing.Registry
	Health   Health
	Policy   func(node string) failover.Policy
	Recorder events.EventRecorder
	Clock    clock.PassiveClock

	ignored ignored
}

// Reconcile does what is due for the node named in the request. It does nothing while this process does not lead.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	ctx, leave, ok := r.Gate.Enter(ctx)
	if !ok {
		return reconcile.Result{}, nil
	}
	defer leave()
	if !r.Tracker.Answering() {
		// What would be read now might be half an answer. The lease clocks stand, and so do the incidents.
		return reconcile.Result{RequeueAfter: silent}, nil
	}
	node := req.Name
	var tainted string
	if cached := r.Nodes.Get(node); cached != nil {
		tainted = observe.TaintValue(cached)
	}
	var (
		open []*failurev1alpha1.NodeFailure
		wait = never
		errs []error
	)
	for _, name := range r.Index.Open(node, tainted) {
		nf := &failurev1alpha1.NodeFailure{}
		if err := r.Live.Get(ctx, types.NamespacedName{Name: name}, nf); apierrors.IsNotFound(err) {
			r.Index.Delete(node, name)
			continue
		} else if err != nil {
			return reconcile.Result{}, fmt.Errorf("reading NodeFailure %s: %w", name, err)
		}
		after, err := r.run(ctx, nf)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		wait = sooner(wait, after)
		open = append(open, nf)
	}
	after, err := r.maybeOpen(ctx, node, open)
	if err != nil {
		errs = append(errs, err)
	}
	wait = sooner(wait, after)
	if err := r.dropOrphan(ctx, node, tainted); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		if ctx.Err() != nil {
			// The term ended under the work; whoever leads next goes on.
			klog.FromContext(ctx).V(2).Info("Work was cut short", "err", err)
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, err
	}
	if wait < 0 {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{RequeueAfter: max(wait, time.Millisecond)}, nil
}

// never means that nothing asks for another look.
const never = time.Duration(-1)

func sooner(a, b time.Duration) time.Duration {
	if a < 0 {
		return b
	}
	if b < 0 {
		return a
	}
	return min(a, b)
}

// run makes passes over one incident until it has to wait. nf is kept up to date.
func (r *Reconciler) run(ctx context.Context, nf *failurev1alpha1.NodeFailure) (time.Duration, error) {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithValues("nodeFailure", nf.Name))
	for range maxPasses {
		after, err := r.pass(ctx, nf)
		if err == nil && after != 0 {
			return after, nil
		}
		if err == nil {
			continue
		}
		// Somebody may have annotated it meanwhile, or deleted it: look at what it is now.
		switch again := r.Live.Get(ctx, client.ObjectKeyFromObject(nf), nf); {
		case apierrors.IsNotFound(again):
			klog.FromContext(ctx).Info("The NodeFailure was deleted: its incident ends here, with nothing undone")
			return never, nil
		case again != nil || !apierrors.IsConflict(err):
			return never, err
		}
	}
	return time.Second, nil
}

// pass is observe, decide, store, write, tell.
func (r *Reconciler) pass(ctx context.Context, nf *failurev1alpha1.NodeFailure) (time.Duration, error) {
	policy := r.Policy(nf.Spec.NodeName)
	obs, err := r.observe(ctx, nf, failover.NeedsOf(nf.Spec, nf.Status, policy))
	if err != nil {
		return 0, err
	}
	before := nf.Status.DeepCopy()
	decision := failover.Next(nf.Spec, *before, obs, policy)
	if !apiequality.Semantic.DeepEqual(*before, decision.Status) {
		if err := r.store(ctx, nf, decision.Status); err != nil {
			return 0, err
		}
		r.tell(ctx, before, nf)
	}
	err = r.apply(ctx, nf, decision.Effects, policy)
	r.publish(nf, decision.Events)
	if !failover.Contradicted(*before) && failover.Contradicted(nf.Status) {
		r.Health.Distrust(ctx, nf.Spec.NodeName, "the BMC said Off while the node was alive, in NodeFailure "+nf.Name)
	}
	switch {
	case err != nil:
		return 0, err
	case decision.RequeueAfter < 0 && failover.Finished(nf.Status):
		return never, nil
	case decision.RequeueAfter < 0:
		return idle, nil
	default:
		return decision.RequeueAfter, nil
	}
}

// store writes the status under the resourceVersion that was read; nf becomes what the API server acknowledged.
func (r *Reconciler) store(ctx context.Context, nf *failurev1alpha1.NodeFailure, status failurev1alpha1.NodeFailureStatus) error {
	base := nf.DeepCopy()
	status.DeepCopyInto(&nf.Status)
	patch := client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
	if err := r.Live.Status().Patch(ctx, nf, patch); err != nil {
		base.DeepCopyInto(nf)
		return fmt.Errorf("storing the status of NodeFailure %s: %w", nf.Name, err)
	}
	r.Index.Set(nf)
	return nil
}

// tell logs and counts what was stored.
func (r *Reconciler) tell(ctx context.Context, before *failurev1alpha1.NodeFailureStatus, nf *failurev1alpha1.NodeFailure) {
	if before.Phase != nf.Status.Phase {
		klog.FromContext(ctx).Info("Incident moved on", "from", before.Phase, "to", nf.Status.Phase,
			"reason", nf.Status.Reason, "message", nf.Status.Message)
	}
	count(before, nf)
}
