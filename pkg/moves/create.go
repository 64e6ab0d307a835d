// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// maxTries bounds how often one move is written: KubeVirt keeps five migrations of a VM that have ended, each of which has a name that we might try.
const maxTries = 16

// errNotWanted is the end of a move whose plan was given up while it was being asked for.
var errNotWanted = errors.New("the plan was given up")

// Create asks KubeVirt for one move of a plan, once however often it is called. When it returns an error the whole plan is given up: the other moves are
// taken back, the node is excluded for the preemptor, the preemptor's nomination to it is cleared, and the preemptor is tried again.
func (t *Tracker) Create(ctx context.Context, plan Plan, wanted Move) error {
	attempt, err := t.begin(ctx, plan, wanted)
	if err == nil && attempt > 0 {
		// Once it is sent the answer is waited for, also when another victim of the plan is refused meanwhile: else we would not know what there is.
		err = t.answered(plan, wanted, t.write(context.WithoutCancel(ctx), plan, wanted, attempt))
	}
	if err != nil {
		return fmt.Errorf("moving VM %s to node %s: %w", wanted.VM, wanted.Home, err)
	}
	if attempt > 0 {
		klog.FromContext(ctx).V(2).Info("A VM moves to make room", "vmi", klog.KRef(wanted.VM.Namespace, wanted.VM.Name), "vmiUID", wanted.UID,
			"to", klog.KRef("", wanted.Home), "from", klog.KRef("", plan.Node), "preemptor", klog.KObj(plan.Preemptor))
		t.tellMoving(plan, wanted)
	}
	return nil
}

func (t *Tracker) tellMoving(plan Plan, wanted Move) {
	vm, comes := wanted.guest().reference(), plan.preemptor().reference()
	tell := func(about, related *corev1.ObjectReference, who string) {
		t.outside.tell(about, related, corev1.EventTypeNormal, reasonMoving,
			fmt.Sprintf("%smoves from node %s to node %s to make room for pod %s", who, plan.Node, wanted.Home, plan.preemptor()))
	}
	tell(vm, comes, "")
	tell(comes, vm, "VM "+wanted.VM.String()+" ")
	if pod := wanted.Launcher; pod != nil {
		launcher := preemptor{types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}, pod.UID}
		tell(launcher.reference(), comes, "its VM ")
	}
}

// begin returns the number of the attempt that is to be made; 0 when nothing has to be done.
func (t *Tracker) begin(ctx context.Context, plan Plan, wanted Move) (attempt int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.queue.Add(plan.Preemptor.UID)
	t.advance(plan.Preemptor.UID) // a plan that has ended does not stand in the way
	r := t.roomOf(plan.preemptor())
	if there, _ := t.outside.look(r.preemptor); there == gone || there == placed {
		return 0, fmt.Errorf("pod %s does not wait any more", r.preemptor)
	}
	if err := t.objection(ctx, r, plan, wanted); err != nil {
		t.giveUp(ctx, r, plan.Node, err.Error(), plan.retryAfter())
		return 0, err
	}
	r = r.begun(plan, wanted, t.clock.Now())
	m := r.plan.move(wanted.UID)
	if m.stage != planned { // it was asked for already
		t.put(r, nil)
		if m.stage == lost || m.stage == refused {
			return 0, errors.New(m.why)
		}
		return 0, nil
	}
	if err := t.busy(wanted); err != nil {
		m.stage, m.why = refused, err.Error()
		t.put(r, nil)
		t.advance(plan.Preemptor.UID)
		return 0, err
	}
	attempt = t.attemptOf(wanted)
	m.stage = asking
	t.put(r, nil)
	return attempt, nil
}

// objection is why a plan cannot be begun, or gone on with. A plan with a move that came to nothing is none any more: it was given up.
func (t *Tracker) objection(ctx context.Context, r room, plan Plan, wanted Move) error {
	e, excluded := r.excluded[plan.Node]
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("not asked for: %w", context.Cause(ctx))
	case !t.Ready():
		return errors.New("the VirtualMachineInstanceMigrations of the cluster have not been read")
	case wanted.HomeHostname == "":
		return fmt.Errorf("node %s has no label %s", wanted.Home, corev1.LabelHostname)
	case r.plan != nil && r.plan.node != plan.Node:
		return fmt.Errorf("VMs are moving away from node %s for the same pod", r.plan.node)
	case r.plan != nil && !r.plan.failing.IsZero():
		return errors.New(r.plan.why)
	case excluded && t.clock.Now().Before(e.until):
		return errNotWanted
	}
	return nil
}

// busy is why a VM cannot be moved now: it moves already.
func (t *Tracker) busy(wanted Move) error {
	for _, m := range t.index.ofVM[wanted.VM] {
		if !m.ended() {
			return fmt.Errorf("it is moved by migration %s", m.Name)
		}
	}
	for _, r := range t.rooms {
		if r.plan == nil {
			continue
		}
		if m := r.plan.move(wanted.UID); m != nil && m.open() {
			return fmt.Errorf("it moves to make room for pod %s", r.preemptor)
		}
	}
	return nil
}

// attemptOf returns the number of the attempt to make: the lowest whose name is free, as far as is known. Of two writes for a VM that do not know of
// each other, as those of two processes, the API server thereby takes one only. For the same reason the name of a write that was given up is tried
// again as long as the watch has not shown what has become of it.
func (t *Tracker) attemptOf(wanted Move) int {
	for _, r := range t.rooms {
		for name, d := range r.doomed {
			if d.guest == wanted.guest() && t.index.all[name] == nil {
				return attemptIn(name.Name, wanted.UID)
			}
		}
	}
	attempt := 1
	for t.index.all[nameFor(wanted, attempt)] != nil {
		attempt++
	}
	return attempt
}

func nameFor(wanted Move, attempt int) types.NamespacedName {
	return types.NamespacedName{Namespace: wanted.VM.Namespace, Name: nameOf(wanted.UID, attempt)}
}

// answer is what has come of a write.
type answer struct {
	uid types.UID
	err error
}

// write creates a migration.
func (t *Tracker) write(ctx context.Context, plan Plan, wanted Move, attempt int) answer {
	for range maxTries {
		name := nameFor(wanted, attempt)
		if !t.asks(plan, wanted, name) {
			return answer{err: errNotWanted}
		}
		uid, err := t.create(ctx, migrationFor(plan, wanted, name.Name))
		if err == nil {
			return answer{uid: uid}
		}
		// Whatever the error, it may exist: the answer was lost, or it existed before. KubeVirt's webhook is asked before names are compared, and
		// says of this very migration, too, that the VM moves already.
		there, readErr := t.get(ctx, name)
		switch {
		case apierrors.IsNotFound(readErr) && apierrors.IsAlreadyExists(err):
			// It has gone just now.
		case apierrors.IsNotFound(readErr):
			return answer{err: err} // and it may still be carried out
		case readErr != nil:
			return answer{err: fmt.Errorf("%w; and whether it exists could not be read: %w", err, readErr)}
		case there.live() && there.serves(plan, wanted):
			return answer{uid: there.UID}
		case !there.ended() || !apierrors.IsAlreadyExists(err):
			return answer{err: err}
		default:
			attempt++ // that one has ended
		}
	}
	return answer{err: fmt.Errorf("%d migrations of it that have ended are in the way", maxTries)}
}

func (t *Tracker) create(ctx context.Context, m *migrationObject) (types.UID, error) {
	ctx, cancel := context.WithTimeout(ctx, patienceWithAPI)
	defer cancel()
	return t.outside.create(ctx, m)
}

func (t *Tracker) get(ctx context.Context, name types.NamespacedName) (*migration, error) {
	ctx, cancel := context.WithTimeout(ctx, patienceWithAPI)
	defer cancel()
	return t.outside.get(ctx, name)
}

// serves is true for a migration that does what is asked for.
func (m *migration) serves(plan Plan, wanted Move) bool {
	return m.ours != nil && m.ours.preemptor == plan.preemptor() && m.ours.node == plan.Node && m.guest() == wanted.guest()
}

// asks notes the name under which a move is asked for; false when nobody wants it any more.
func (t *Tracker) asks(plan Plan, wanted Move, name types.NamespacedName) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.rooms[plan.Preemptor.UID].at(plan.Node, wanted.UID, func(m *moving) { m.name = name })
	if ok {
		delete(r.doomed, name) // it is wanted again; if it is refused it is doomed again
		t.put(r, nil)
	}
	return ok
}

// answered notes what has come of a write. The watch may have been faster.
func (t *Tracker) answered(plan Plan, wanted Move, a answer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.queue.Add(plan.Preemptor.UID)
	r, ok := t.rooms[plan.Preemptor.UID].at(plan.Node, wanted.UID, func(m *moving) {
		switch {
		case m.stage != asking:
			a.err = nil
		case a.err != nil:
			m.stage, m.why = refused, a.err.Error()
		default:
			m.stage, m.uid = written, a.uid
		}
	})
	if !ok {
		if a.err == nil {
			a.err = errNotWanted // what was written is doomed by its name
		}
		return a.err
	}
	t.put(r, nil)
	t.advance(plan.Preemptor.UID)
	return a.err
}
