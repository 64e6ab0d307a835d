// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
)

// KubeVirt's webhook answers an eviction that it turns into a move, or has turned into one before, with 429 and one of these (pkg/virt-api,
// pod-eviction-admitter).
const (
	moveTriggered = "triggered evacuation"
	moveGoesOn    = "Evacuation in progress"
)

// preemptPod does to a victim what was planned. It is called for all victims of a candidate, at the same time. A launcher pod is deleted in no
// case: upstream's way is for other pods only.
//
// Where VMs have to go, what can be taken back, and what may be refused, comes first, and whoever is called first does it for all: no pod
// is deleted for a plan of which a move was refused.
func (pl *VMPreemption) preemptPod(ctx context.Context, c preemption.Candidate, preemptor, victim *corev1.Pod, pluginName string) error {
	p := pl.attempts.of(preemptor.UID).on(c.Name())
	if err := unplanned(p, c); err != nil {
		return err
	}
	if p != nil {
		p.begin.Do(func() {
			if p.failed = pl.carryOut(ctx, p, c.Victims().Pods); p.failed != nil {
				pl.tracker.GiveUpPlan(ctx, p.moves, p.failed)
			}
		})
		if p.failed != nil {
			return p.failed
		}
	}
	if isLauncher(victim) {
		return nil // that was it
	}
	return pl.deletePod(ctx, c, preemptor, victim, pluginName)
}

// unplanned says no when there is a VM among the victims for which nothing is planned: then nothing is done to the others.
func unplanned(p *plan, c preemption.Candidate) error {
	for _, victim := range c.Victims().Pods {
		if !isLauncher(victim) || victim.DeletionTimestamp != nil {
			continue
		}
		if p == nil {
			return fmt.Errorf("nothing is planned for VM pod %s on node %s: it stays", klog.KObj(victim), c.Name())
		}
		if _, ok := p.steps[victim.UID]; !ok {
			return fmt.Errorf("nothing is planned for VM pod %s: it stays", klog.KObj(victim))
		}
	}
	return nil
}

// carryOut has VMs moved, then evicted, then taken back from Permit.
func (pl *VMPreemption) carryOut(ctx context.Context, p *plan, victimPods []*corev1.Pod) error {
	for _, fate := range []victims.Fate{victims.Moved, victims.Signalled, victims.Evicted, victims.Spared} {
		for _, victim := range victimPods {
			s, ok := p.steps[victim.UID]
			if !ok || s.fate != fate || victim.DeletionTimestamp != nil {
				continue
			}
			if err := pl.take(ctx, p, s, victim); err != nil {
				return err
			}
		}
	}
	return nil
}

// take takes one step.
func (pl *VMPreemption) take(ctx context.Context, p *plan, s step, victim *corev1.Pod) error {
	if ctx.Err() != nil {
		return fmt.Errorf("VM pod %s: %w", klog.KObj(victim), context.Cause(ctx))
	}
	switch s.fate {
	case victims.Moved:
		return pl.tracker.Create(ctx, p.moves, s.move)
	case victims.Evicted, victims.Signalled:
		// What was true when it was planned may not be any more; what comes next cannot be taken back.
		if now, why := pl.fateOf(victim); now != s.fate {
			return fmt.Errorf("VM pod %s was to be %s, and is %s now (%s)", klog.KObj(victim), s.fate, now, why)
		}
		if err := pl.evict(ctx, victim, s.fate); err != nil {
			return err
		}
		p.shutAt(pl.clock.Now())
		pl.tell(p, victim, "was "+s.fate.String())
		return nil
	case victims.Spared:
		return pl.reject(p, victim)
	}
	return fmt.Errorf("VM pod %s: fate %s", klog.KObj(victim), s.fate)
}

// reject takes a launcher pod back that waits in Permit, and holds no guest. If it does not wait any more it is on its way to its host: then it stays.
func (pl *VMPreemption) reject(p *plan, victim *corev1.Pod) error {
	waiting := pl.handle.GetWaitingPod(victim.UID)
	if waiting == nil {
		return fmt.Errorf("VM pod %s does not wait any more: it stays", klog.KObj(victim))
	}
	waiting.Reject(Name, "preempted")
	pl.tell(p, victim, "was taken back from Permit")
	return nil
}

// tell says in an event what was done to a launcher pod.
func (pl *VMPreemption) tell(p *plan, victim *corev1.Pod, done string) {
	pl.handle.EventRecorder().Eventf(victim, p.moves.Preemptor, corev1.EventTypeNormal, "Preempted", "Preempting",
		"%s to make room for pod %s on node %s", done, klog.KObj(p.moves.Preemptor), p.moves.Node)
}

// evict asks for the eviction of a launcher pod, and of no other that has its name. One that is to be signalled only is not shut down: first it is
// tried whether KubeVirt would turn the eviction down.
func (pl *VMPreemption) evict(ctx context.Context, victim *corev1.Pod, fate victims.Fate) error {
	if fate == victims.Signalled {
		if err := pl.askToEvict(ctx, victim, metav1.DryRunAll); !isMove(err) {
			if err == nil {
				err = errors.New("KubeVirt would let it be shut down")
			}
			return fmt.Errorf("asking the owner of VM pod %s to move it: %w", klog.KObj(victim), err)
		}
	}
	err := pl.askToEvict(ctx, victim)
	if err == nil && fate == victims.Signalled {
		err = errors.New("KubeVirt's webhook has not turned the eviction down: the VM is being shut down")
	}
	if err == nil || apierrors.IsNotFound(err) || isMove(err) {
		return nil // moved rather than shut down is better than what was asked for
	}
	return fmt.Errorf("evicting VM pod %s: %w", klog.KObj(victim), err)
}

func (pl *VMPreemption) askToEvict(ctx context.Context, victim *corev1.Pod, dryRun ...string) error {
	return pl.handle.ClientSet().PolicyV1().Evictions(victim.Namespace).Evict(ctx, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: victim.Name, Namespace: victim.Namespace},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(victim.UID)), DryRun: dryRun},
	})
}

// isMove is true for KubeVirt's answer that the VM is being moved, by KubeVirt or by its owner.
func isMove(err error) bool {
	return apierrors.IsTooManyRequests(err) && (strings.Contains(err.Error(), moveTriggered) || strings.Contains(err.Error(), moveGoesOn))
}
