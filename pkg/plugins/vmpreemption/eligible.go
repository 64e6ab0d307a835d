// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/scheduler-plugins/pkg/preemptiontoleration"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// isLauncher is true for all pods that may hold a guest, also for one that does not say whose.
func isLauncher(pod *corev1.Pod) bool { return pod.Labels[kubevirtv1.AppLabel] == "virt-launcher" }

// eligiblePod says whether a pod of lower priority may have to go that is no VM, which is what upstream's own code decides about. VMs are
// never among its victims, also when they have become movable since their host was looked at.
func (pl *VMPreemption) eligiblePod(_ fwk.NodeInfo, victim fwk.PodInfo, preemptor *corev1.Pod) bool {
	pod := victim.GetPod()
	return !isLauncher(pod) && !adapt.Attachment(pod) && !pl.exempt(pod, preemptor)
}

func (pl *VMPreemption) exempt(pod, preemptor *corev1.Pod) bool {
	exempt, err := preemptiontoleration.ExemptedFromPreemption(klog.Background(), pod, preemptor, pl.classes, pl.clock.Now())
	return exempt || err != nil // a policy that cannot be read is upstream's to complain of; until then nobody is killed for it
}

// candidateOf says whether a pod on a host may have to go, and how.
func (pl *VMPreemption) candidateOf(host fwk.NodeInfo, there fwk.PodInfo, preemptor *corev1.Pod) (c candidate, ok bool) {
	pod := there.GetPod()
	if !lower(there, preemptor) || adapt.Attachment(pod) || pl.exempt(pod, preemptor) {
		return candidate{}, false // an attachment goes with its VM
	}
	c = candidate{pod: there, launcher: isLauncher(pod)}
	if c.launcher {
		c.attachments = attachmentsOf(host, pod)
	}
	switch {
	case pod.DeletionTimestamp != nil:
		c.leaves = true
		return c, true
	case !c.launcher:
		return c, true
	case pl.handle.GetWaitingPod(pod.UID) != nil:
		c.waits = true
		return c, adapt.MigrationOf(pod) == "" && !adapt.PreemptionNever(pod)
	}
	c.vm = pl.view.VM(pod)
	c.fate, _ = pl.fateOfVM(pod, c.vm)
	return c, c.fate != victims.Spared
}

// fateOf says what preemption may do to a launcher pod, and why.
func (pl *VMPreemption) fateOf(pod *corev1.Pod) (victims.Fate, victims.Reason) {
	return pl.fateOfVM(pod, pl.view.VM(pod))
}

func (pl *VMPreemption) fateOfVM(pod *corev1.Pod, vm *model.VM) (victims.Fate, victims.Reason) {
	if vm == nil || vm.Guessed {
		return victims.Spared, victims.ReasonUnknown
	}
	return pl.rules.FateOf(pl.subjectOf(pod, vm))
}

func (pl *VMPreemption) subjectOf(pod *corev1.Pod, vm *model.VM) victims.Subject {
	strategy := vm.Eviction
	if strategy == model.EvictionUnset {
		strategy = pl.settings.Settings().Eviction
	}
	return victims.Subject{
		Strategy:   strategy,
		Migratable: vm.Migratable,
		Moving:     vm.Move.UnderWay() || pl.view.Places(vm.UID) > 1 || pl.promises.moving(vm.UID),
		Target:     isTarget(pod, vm),
		Paused:     vm.Paused,
		Ours:       pl.profiles.named(pod.Spec.SchedulerName) != nil,
		Protected:  vm.PreemptionNever || adapt.PreemptionNever(pod),
	}
}

// isTarget is true for a pod that its VM has not come to yet: the label of the migration alone does not say so, as it stays.
func isTarget(pod *corev1.Pod, vm *model.VM) bool {
	return adapt.MigrationOf(pod) != "" && vm.Host != pod.Spec.NodeName
}

// PodEligibleToPreemptOthers implements preemption.Interface: upstream's rules, and none while VMs move for the pod, nor for the target of
// a migration.
func (pl *VMPreemption) PodEligibleToPreemptOthers(ctx context.Context, pod *corev1.Pod, nominated *fwk.Status) (bool, string) {
	if ok, why := pl.DefaultPreemption.PodEligibleToPreemptOthers(ctx, pod, nominated); !ok {
		return false, why
	}
	if migration := adapt.MigrationOf(pod); migration != "" {
		if !pl.args.MigrationTargetsPreempt {
			return false, "not eligible: nobody has to make room for a VM that migrates"
		}
		if pl.tracker.Ours(migration) {
			return false, "not eligible: it moves to make room itself"
		}
	}
	if node, going := pl.tracker.Going(pod.UID); going {
		if nominated.Code() == fwk.UnschedulableAndUnresolvable && pod.Status.NominatedNodeName == node {
			pl.tracker.GiveUp(ctx, pod.UID, "the node would not do any more")
			return true, ""
		}
		return false, "not eligible: VMs are moving away from node " + node + " for it"
	}
	if pl.awaits(ctx, pod) {
		return false, "not eligible: VMs on the nominated node are being shut down, or moved by their owners, for it"
	}
	return true, ""
}

// awaits is true while VMs that were evicted, or signalled, for the pod are still there. That takes no longer than moves may take.
func (pl *VMPreemption) awaits(ctx context.Context, pod *corev1.Pod) bool {
	node := pod.Status.NominatedNodeName
	p := pl.attempts.of(pod.UID).on(node)
	if p == nil || node == "" {
		return false
	}
	since, ok := p.shutSince()
	host, err := pl.handle.SnapshotSharedLister().NodeInfos().Get(node)
	if !ok || err != nil {
		return false
	}
	for _, there := range host.GetPods() {
		s, ok := p.steps[there.GetPod().UID]
		if !ok || s.fate != victims.Evicted && s.fate != victims.Signalled {
			continue
		}
		if pl.clock.Since(since) < pl.args.MoveTimeout {
			return true
		}
		pl.attempts.forget(pod.UID)
		pl.tracker.GiveUpPlan(ctx, p.moves, fmt.Errorf("VM pod %s is still there after %s", klog.KObj(there.GetPod()), pl.args.MoveTimeout))
		return false
	}
	return false
}
