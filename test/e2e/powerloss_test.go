// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

// firstBoundWithin is the promise of issue 2: power loss to the first replacement pod bound, with default settings.
const firstBoundWithin = 60 * time.Second

// TestPowerLoss is the story: a node with VMs of every runStrategy loses its power, and each VM ends as its runStrategy says.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	s := suite.newStage(t, 4)
	dead := s.nodes[0]
	s.admit(dead)
	live := kubevirtv1.EvictionStrategyLiveMigrate
	ifPossible := kubevirtv1.EvictionStrategyLiveMigrateIfPossible
	external := kubevirtv1.EvictionStrategyExternal
	s.create(
		s.newVM("always").EvictionStrategy(live),
		s.newVM("always-disk").Disk(),
		s.newVM("rerun").RunStrategy(kubevirtv1.RunStrategyRerunOnFailure).EvictionStrategy(ifPossible),
		s.newVM("rerun-external").RunStrategy(kubevirtv1.RunStrategyRerunOnFailure).EvictionStrategy(external),
		s.newVM("manual").RunStrategy(kubevirtv1.RunStrategyManual),
		s.newVM("once").RunStrategy(kubevirtv1.RunStrategyOnce),
		s.newVM("halted").RunStrategy(kubevirtv1.RunStrategyHalted),
	)
	s.start("manual")
	restart := []string{"always", "always-disk", "rerun", "rerun-external"}
	stay := []string{"manual", "once"}
	before := map[string]*kubevirtv1.VirtualMachineInstance{}
	for _, vm := range slices.Concat(restart, stay) {
		before[vm] = s.awaitRunning(vm, 2*time.Minute, "")
		if node := before[vm].Status.NodeName; node != dead {
			t.Fatalf("VM %s runs on %s, which was not admitted", vm, node)
		}
	}
	oldAttachment := s.attachment("always-disk")
	s.admit(s.nodes[1:]...)

	cut := s.cutPower(dead)
	disk := s.awaitRunning("always-disk", 3*time.Minute, before["always-disk"].UID)
	toRunning := time.Since(cut)
	nf := s.awaitFailure(dead, "to be settled", 2*time.Minute, settled)

	t.Run("each VM is what its runStrategy says", func(t *testing.T) { s.assertOutcomes(t, nf, before, restart, stay) })
	t.Run("bound by virt-scheduler, none before the proof", func(t *testing.T) {
		first := s.assertReplacements(t, nf, restart, stay, cut)
		t.Logf("FIGURE power loss to first replacement pod bound: %.1f s (at most %.0f s)", first.Seconds(), firstBoundWithin.Seconds())
		t.Logf("FIGURE power loss to VMI Running with a ReadWriteOnce volume: %.1f s", toRunning.Seconds())
		if first > firstBoundWithin {
			t.Errorf("first replacement pod bound %.1f s after the power loss, want at most %s", first.Seconds(), firstBoundWithin)
		}
	})
	t.Run("the volume left the old node first", func(t *testing.T) { s.assertVolumeMoved(t, oldAttachment, disk.Status.NodeName) })
	t.Run("record and events", func(t *testing.T) { s.assertRecord(t, nf, dead, cut, len(before)) })
	t.Run("the node is taken in again", func(t *testing.T) { s.assertReturn(t, dead) })
}

func (s *stage) assertOutcomes(
	t *testing.T, nf *failurev1alpha1.NodeFailure, before map[string]*kubevirtv1.VirtualMachineInstance, restart, stay []string,
) {
	t.Helper()
	for _, vm := range restart {
		now, err := s.vmi(vm)
		s.must(err)
		r := s.record(nf, vm)
		if now == nil || now.UID == before[vm].UID || now.Status.Phase != kubevirtv1.Running || now.Status.NodeName == nf.Spec.NodeName {
			t.Errorf("VM %s: VMI %+v, want another one Running elsewhere", vm, now)
			continue
		}
		if r.Due != failurev1alpha1.DueRestart || r.NewVMIUID != now.UID || r.NewNode != now.Status.NodeName || r.SettledAt == nil {
			t.Errorf("VM %s: record %+v, want a restart as VMI %s on %s", vm, r, now.UID, now.Status.NodeName)
		}
	}
	for _, vm := range stay {
		now, err := s.vmi(vm)
		s.must(err)
		if now == nil || now.UID != before[vm].UID || now.Status.Phase != kubevirtv1.Failed {
			t.Errorf("VM %s: VMI %+v, want the old one, Failed", vm, now)
		}
		if r := s.record(nf, vm); r.Due != failurev1alpha1.DueStayFailed || r.State != failurev1alpha1.VMSettled {
			t.Errorf("VM %s: record %+v, want StayFailed and Settled", vm, r)
		}
		if live := s.liveGuests(vm); len(live) != 0 {
			t.Errorf("VM %s has live guests: %v", vm, live)
		}
	}
	if now, err := s.vmi("halted"); err != nil || now != nil {
		t.Errorf("VM halted: VMI %v, error %v, want none", now, err)
	}
}

// assertReplacements reads the audit log: who bound, and what was created and deleted before the proof was stored. It
// returns the time from the power loss to the first replacement bound.
func (s *stage) assertReplacements(t *testing.T, nf *failurev1alpha1.NodeFailure, restart, stay []string, cut time.Time) time.Duration {
	t.Helper()
	stored, ok := s.proofStored(nf.Name)
	if !ok {
		t.Fatalf("the audit log has no proof of %s", nf.Name)
	}
	bound := s.bindings()
	first := time.Hour
	for _, vm := range slices.Concat(restart, stay) {
		created := s.launchersCreated(vm)
		want := 1
		if slices.Contains(restart, vm) {
			want = 2
		}
		if len(created) != want {
			t.Errorf("VM %s: %d launcher pods were ever created, want %d", vm, len(created), want)
		}
		for i, c := range created {
			b, ok := bound[c.pod.Name]
			if !ok || b.User.Username != schedulerUser {
				t.Errorf("launcher pod %s: bound %v by %q, want by %q", c.pod.Name, ok, b.User.Username, schedulerUser)
			}
			if i == 0 {
				continue
			}
			if c.at.Before(stored) {
				t.Errorf("VM %s: launcher pod %s was created %s before the proof was stored", vm, c.pod.Name, stored.Sub(c.at))
			}
			first = min(first, b.StageTimestamp.Sub(cut))
		}
	}
	deletions := s.watcherPodDeletions()
	if len(deletions) == 0 {
		t.Error("the audit log has no deletion by the watcher")
	}
	for _, e := range deletions {
		if e.RequestReceivedTimestamp.Time.Before(stored) {
			t.Errorf("pod %s was deleted by the watcher before the proof was stored", e.ObjectRef.Name)
		}
	}
	for _, e := range s.outOfServiceSet(nf.Spec.NodeName) {
		if e.RequestReceivedTimestamp.Time.Before(stored) {
			t.Errorf("%s got the out-of-service taint before the proof was stored", nf.Spec.NodeName)
		}
	}
	return first
}

// attachment returns the VolumeAttachment of a VM's claim.
func (s *stage) attachment(claim string) *storagev1.VolumeAttachment {
	s.t.Helper()
	var found *storagev1.VolumeAttachment
	s.await("the volume of "+claim+" to be attached", time.Minute, func() (bool, string, error) {
		pvc, err := s.kube.CoreV1().PersistentVolumeClaims(s.ns).Get(s.ctx, claim, getNow)
		if err != nil {
			return false, "", err
		}
		var list storagev1.VolumeAttachmentList
		if err := s.client.List(s.ctx, &list); err != nil {
			return false, "", err
		}
		for i, va := range list.Items {
			if pv := va.Spec.Source.PersistentVolumeName; pv != nil && *pv == pvc.Spec.VolumeName && va.Status.Attached {
				found = &list.Items[i]
				return true, "", nil
			}
		}
		return false, fmt.Sprintf("claim %s is %s", claim, pvc.Status.Phase), nil
	})
	return found
}

// assertVolumeMoved: the old VolumeAttachment was deleted and had gone, which is when its attacher took its finalizer off, before the new one
// was made.
func (s *stage) assertVolumeMoved(t *testing.T, old *storagev1.VolumeAttachment, node string) {
	t.Helper()
	now := s.attachment("always-disk")
	if now.Name == old.Name || now.Spec.NodeName != node {
		t.Fatalf("the volume is attached to %s by %s, want to %s by another than %s", now.Spec.NodeName, now.Name, node, old.Name)
	}
	var left storagev1.VolumeAttachment
	switch err := s.client.Get(s.ctx, client.ObjectKeyFromObject(old), &left); {
	case err == nil:
		t.Errorf("VolumeAttachment %s of node %s is there (UID %s, the old one's %s), want none", left.Name, left.Spec.NodeName, left.UID, old.UID)
	case !apierrors.IsNotFound(err):
		t.Errorf("reading VolumeAttachment %s: %v", old.Name, err)
	}
	var deleted, gone, made time.Time
	for _, e := range s.audited(func(e *auditv1.Event) bool { return e.ObjectRef.Resource == "volumeattachments" }) {
		switch {
		case e.ObjectRef.Name == now.Name && e.Verb == "create" && made.IsZero():
			made = e.RequestReceivedTimestamp.Time
		case e.ObjectRef.Name != old.Name:
		case e.Verb == "delete" && deleted.IsZero():
			deleted, gone = e.StageTimestamp.Time, e.StageTimestamp.Time
		case !deleted.IsZero():
			gone = e.StageTimestamp.Time
		}
	}
	if deleted.IsZero() || made.IsZero() || made.Before(gone) {
		t.Errorf("old attachment deleted %s and gone %s, new one created %s, want the old one gone first", deleted, gone, made)
	}
}

func (s *stage) assertRecord(t *testing.T, nf *failurev1alpha1.NodeFailure, dead string, cut time.Time, vms int) {
	t.Helper()
	f := nf.Status.Fence
	if f == nil || f.Proof == nil || f.Proof.Kind != failurev1alpha1.ProofAlreadyOff || len(f.OffReadings) != 2 {
		t.Fatalf("fence %+v, want the proof AlreadyOff from two readings", f)
	}
	if f.Proof.NodeUID != nf.Spec.NodeUID || f.Proof.BootID != nf.Spec.BootID {
		t.Errorf("proof %+v is not about node UID %s, boot %s", f.Proof, nf.Spec.NodeUID, nf.Spec.BootID)
	}
	if apart := f.OffReadings[1].At.Sub(f.OffReadings[0].At.Time); apart < 5*time.Second {
		t.Errorf("the two readings are %s apart, want at least 5s", apart)
	}
	if first := f.OffReadings[0].At.Time; first.Before(cut) {
		t.Errorf("Off was read at %s, before the power was cut at %s", first, cut)
	}
	if len(nf.Status.Evidence) == 0 || !nf.Status.Recorded || int(nf.Status.VMCount) != vms {
		t.Errorf("evidence %v, recorded %v, %d VMs, want evidence and %d VMs recorded", nf.Status.Evidence, nf.Status.Recorded, nf.Status.VMCount, vms)
	}
	if n := s.powerActions(dead); n != 0 {
		t.Errorf("%d power actions on a machine that was off, want none", n)
	}
	s.assertOutOfService(t, dead)
	events := s.events(dead)
	for _, step := range []string{
		failover.ReasonSuspected, failover.ReasonPowerReadOff, failover.ReasonFenced, failover.ReasonReleasing,
		failover.ReasonOutOfService, failover.ReasonAllSettled,
	} {
		if got := events["NodeFailure/"+step]; got != 1 {
			t.Errorf("%d events %s on the NodeFailure, want 1 (all: %v)", got, step, events)
		}
	}
	if got := events["VirtualMachine/"+failover.ReasonVMReleased]; got != vms {
		t.Errorf("%d events %s on VMs, want %d (all: %v)", got, failover.ReasonVMReleased, vms, events)
	}
}

// assertOutOfService: the taint that detaches the volumes was put on, under the resourceVersion of a Node that was not Ready.
func (s *stage) assertOutOfService(t *testing.T, dead string) {
	t.Helper()
	set := s.outOfServiceSet(dead)
	if len(set) != 1 {
		t.Errorf("%d patches put the out-of-service taint on %s, want 1", len(set), dead)
	}
	for _, e := range set {
		var patch metav1.PartialObjectMetadata
		s.must(json.Unmarshal(e.RequestObject.Raw, &patch))
		if e.Verb != "patch" || patch.ResourceVersion == "" {
			t.Errorf("the taint was written by %s without a resourceVersion: %s", e.Verb, e.RequestObject.Raw)
		}
		var node corev1.Node
		s.must(json.Unmarshal(e.ResponseObject.Raw, &node))
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				t.Errorf("the taint was put on %s while it was Ready", dead)
			}
		}
	}
}

func (s *stage) assertReturn(t *testing.T, dead string) {
	t.Helper()
	_, err := s.Sim().SetPower(s.ctx, dead, simhost.PowerOn)
	s.must(err)
	nf := s.awaitFailure(dead, "to be closed", 2*time.Minute, inPhase(failurev1alpha1.PhaseClosed))
	s.await("our marks to be off "+dead, time.Minute, func() (bool, string, error) {
		node := s.node(dead)
		ours := slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool {
			return taint.Key == failurev1alpha1.TaintKey || taint.Key == corev1.TaintNodeOutOfService
		})
		return !ours, fmt.Sprintf("taints %v", node.Spec.Taints), nil
	})
	if now := s.node(dead).Status.NodeInfo.BootID; now == nf.Spec.BootID {
		t.Errorf("%s is back with boot ID %s, that of its failure: the simulation did not boot it", dead, now)
	}
	if nf.Status.ReturnedAt == nil {
		t.Errorf("the record does not say when %s returned: %s", dead, describe(nf))
	}
}
