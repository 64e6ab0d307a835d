// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"testing"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// TestReleasing: one VM "a" whose launcher pod is on n1; n2 and n3 are other nodes. The proof is of second 30.
func TestReleasing(t *testing.T) {
	always := vmOf("a", "Always")
	home := vmiAt("vmi-a", vmiRunning, "n1")
	there := vmiAt("vmi-a", vmiRunning, "n2")
	pod := func(vmi VMIView) PodView { p := podOf("a", "Always"); p.VMI = vmi; return p }
	target := func(vmi VMIView) PodView { p := pod(vmi); p.Target = true; return p }
	tests := map[string]struct {
		pod       PodView // as recorded
		state     failurev1alpha1.VMState
		vmi       VMIView // now
		obs       *obsBuilder
		wantRole  failurev1alpha1.VMRole
		wantState failurev1alpha1.VMState
		delete    bool
		left      bool // the pod is still there
	}{
		"home": {
			pod: pod(home), vmi: home, obs: at(31), left: true,
			wantRole: failurev1alpha1.RoleHome, wantState: failurev1alpha1.VMReleased, delete: true,
		},
		"home, gone meanwhile": {
			pod: pod(home), vmi: vmiAt("vmi-a", vmiFailed, "n1"), obs: at(31),
			wantRole: failurev1alpha1.RoleHome, wantState: failurev1alpha1.VMReleased,
		},
		"released, deletion lost in a crash": {
			pod: pod(home), state: failurev1alpha1.VMReleased, vmi: home, obs: at(40), left: true,
			wantRole: failurev1alpha1.RoleHome, wantState: failurev1alpha1.VMReleased, delete: true,
		},
		"source, migration in flight": {
			pod: pod(moving(home, "n1", "n2")), vmi: moving(home, "n1", "n2"), obs: at(31), left: true,
			wantRole: failurev1alpha1.RoleMigrationSource, wantState: failurev1alpha1.VMHeld,
		},
		"source, held, still in flight": {
			pod: pod(moving(home, "n1", "n2")), state: failurev1alpha1.VMHeld, vmi: moving(home, "n1", "n2"), obs: at(89), left: true,
			wantRole: failurev1alpha1.RoleMigrationSource, wantState: failurev1alpha1.VMHeld,
		},
		"source, held for MigrationTimeout": {
			pod: pod(moving(home, "n1", "n2")), state: failurev1alpha1.VMHeld, vmi: moving(home, "n1", "n2"), obs: at(90), left: true,
			wantRole: failurev1alpha1.RoleMigrationSource, wantState: failurev1alpha1.VMReleased, delete: true,
		},
		"source, migration failed": {
			pod: pod(moving(home, "n1", "n2")), state: failurev1alpha1.VMHeld, vmi: home, obs: at(36), left: true,
			wantRole: failurev1alpha1.RoleHome, wantState: failurev1alpha1.VMReleased, delete: true,
		},
		"source, the guest's home is the target now": {
			pod: pod(moving(home, "n1", "n2")), state: failurev1alpha1.VMHeld, vmi: moving(there, "n1", "n2"), obs: at(36), left: true,
			wantRole: failurev1alpha1.RoleMigrationSource, wantState: failurev1alpha1.VMReleased, delete: true,
		},
		"source, migration completed": {
			pod: pod(moving(home, "n1", "n2")), state: failurev1alpha1.VMHeld, vmi: there, obs: at(36), left: true,
			wantRole: failurev1alpha1.RoleMigrationSource, wantState: failurev1alpha1.VMSettled, delete: true,
		},
		"home when recorded, moving away since": {
			pod: pod(home), vmi: moving(home, "n1", "n2"), obs: at(31), left: true,
			wantRole: failurev1alpha1.RoleMigrationSource, wantState: failurev1alpha1.VMHeld,
		},
		"target, the source lives": {
			pod: target(moving(there, "n2", "n1")), vmi: moving(there, "n2", "n1"), obs: at(31), left: true,
			wantRole: failurev1alpha1.RoleMigrationTarget, wantState: failurev1alpha1.VMReleased, delete: true,
		},
		"target, the guest had switched over to it": {
			pod: target(moving(home, "n2", "n1")), vmi: moving(home, "n2", "n1"), obs: at(31), left: true,
			wantRole: failurev1alpha1.RoleHome, wantState: failurev1alpha1.VMReleased, delete: true,
		},
		"a source whose VMI is gone is held for nothing": {
			pod: pod(moving(home, "n1", "n2")), vmi: VMIView{}, obs: at(31), left: true,
			wantRole: failurev1alpha1.RoleHome, wantState: failurev1alpha1.VMReleased, delete: true,
		},
		"the kubelet of the next boot ends it": {
			pod: pod(home), vmi: home, obs: at(60).Boot("b2").Beat(1), left: true,
			wantRole: failurev1alpha1.RoleHome, wantState: failurev1alpha1.VMRecorded,
		},
		"a beat of an unknown boot stops everything": {
			pod: pod(home), state: failurev1alpha1.VMReleased, vmi: home, obs: at(60).Ready("Unknown").Beat(1), left: true,
			wantRole: failurev1alpha1.RoleHome, wantState: failurev1alpha1.VMReleased,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			stored := record(failurev1alpha1.PhaseReleasing).Proof(30).Pods(tc.pod)
			if tc.state != "" {
				stored.State(tc.state)
			}
			obs := tc.obs.Pods().VM("a", always, tc.vmi)
			if tc.left {
				obs.Pods(tc.pod)
			}
			d := Next(testSpec(), stored.Obj(), obs.Obj(), testPolicy())
			got := d.Status.VMs[0]
			if got.Role != tc.wantRole || got.State != tc.wantState {
				t.Errorf("%s %s, want %s %s", got.Role, got.State, tc.wantRole, tc.wantState)
			}
			if hasEffect(d, EffectDeletePod) != tc.delete {
				t.Errorf("effects %v, want DeletePod: %v", d.Effects, tc.delete)
			}
			if d.RequeueAfter < 0 {
				t.Errorf("nothing would look again")
			}
		})
	}
}

// TestReleasesNothing: records and observations of which nothing may be released, whatever else they say.
func TestReleasesNothing(t *testing.T) {
	pod := podOf("a", "Always")
	good := func() *recordBuilder { return record(failurev1alpha1.PhaseReleasing).Proof(30).Pods(pod) }
	see := func(b *obsBuilder) *obsBuilder {
		return b.Ready("Unknown").Pods(pod).Volumes(1).VM("a", vmOf("a", "Always"), vmiAt("vmi-a", vmiRunning, "n1"))
	}
	tests := map[string]struct {
		stored *recordBuilder
		obs    *obsBuilder
		change func(*failurev1alpha1.NodeFailureStatus, *failurev1alpha1.NodeFailureSpec)
	}{
		"the proof is stored in the same pass": {
			stored: record(failurev1alpha1.PhaseSuspect).Off(30).Pods(pod), obs: see(at(35)).Power("Off"),
		},
		"the proof is fresh": {stored: record(failurev1alpha1.PhaseFenced).Proof(30).Pods(pod), obs: see(at(31))},
		"no proof":           {good(), see(at(60)), func(s *failurev1alpha1.NodeFailureStatus, _ *failurev1alpha1.NodeFailureSpec) { s.Fence.Proof = nil }},
		"no fence":           {good(), see(at(60)), func(s *failurev1alpha1.NodeFailureStatus, _ *failurev1alpha1.NodeFailureSpec) { s.Fence = nil }},
		"proof of another boot": {good(), see(at(60)), func(s *failurev1alpha1.NodeFailureStatus, _ *failurev1alpha1.NodeFailureSpec) {
			s.Fence.Proof.BootID = "b0"
		}},
		"proof of another node": {good(), see(at(60)), func(s *failurev1alpha1.NodeFailureStatus, _ *failurev1alpha1.NodeFailureSpec) {
			s.Fence.Proof.NodeUID = "uid-0"
		}},
		"not recorded":               {good(), see(at(60)), func(s *failurev1alpha1.NodeFailureStatus, _ *failurev1alpha1.NodeFailureSpec) { s.Recorded = false }},
		"control plane":              {good(), see(at(60)), func(_ *failurev1alpha1.NodeFailureStatus, s *failurev1alpha1.NodeFailureSpec) { s.ControlPlane = true }},
		"alive in the same boot":     {good(), see(at(60)).Ready("True").Beat(1), nil},
		"the Lease beats, not Ready": {good(), see(at(60)).Beat(1), nil},
		"rebooted":                   {good(), see(at(60)).Ready("True").Boot("b2").Beat(1), nil},
		"another node of that name":  {good(), see(at(60)).Replaced(), nil},
		"gone, but its Lease beats":  {good(), see(at(60)).Gone().Beat(1), nil},
		"nothing was read": {
			stored: good(), obs: at(60).Ready("Unknown"),
		},
		"an unknown phase": {good(), see(at(60)), func(s *failurev1alpha1.NodeFailureStatus, _ *failurev1alpha1.NodeFailureSpec) { s.Phase = "Held" }},
		"closed": {good(), see(at(60)), func(s *failurev1alpha1.NodeFailureStatus, _ *failurev1alpha1.NodeFailureSpec) {
			s.Phase = failurev1alpha1.PhaseClosed
		}},
		"unfenced before": {good(), see(at(60)), func(s *failurev1alpha1.NodeFailureStatus, _ *failurev1alpha1.NodeFailureSpec) {
			p := pass{out: *s, obs: at(59).Obj()}
			p.condition(failurev1alpha1.ConditionUnfenced, "True", unfencedSameBoot, "test")
			*s = p.out
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			stored, spec := tc.stored.Obj(), testSpec()
			if tc.change != nil {
				tc.change(&stored, &spec)
			}
			d := Next(spec, stored, tc.obs.Obj(), testPolicy())
			if hasEffect(d, EffectDeletePod) || hasEffect(d, EffectOutOfService) || hasEffect(d, EffectPowerOff) {
				t.Errorf("effects %v, want no release and no action", d.Effects)
			}
		})
	}
	// The same record and observation do release when nothing is wrong with them.
	if d := Next(testSpec(), good().Obj(), see(at(60)).Obj(), testPolicy()); !hasEffect(d, EffectDeletePod) || !hasEffect(d, EffectOutOfService) {
		t.Errorf("effects %v, want DeletePod and OutOfService: the cases above test nothing", d.Effects)
	}
}

// TestUnrecordedPodsStay: a pod that was not recorded before the proof is not deleted by us.
func TestUnrecordedPodsStay(t *testing.T) {
	stored := record(failurev1alpha1.PhaseReleasing).Proof(30).Pods(podOf("a", "Always"))
	obs := at(31).Pods(podOf("a", "Always"), podOf("b", "Always")).
		VM("a", vmOf("a", "Always"), vmiAt("vmi-a", vmiRunning, "n1")).VM("b", vmOf("b", "Always"), vmiAt("vmi-b", "Scheduled", "n1"))
	d := Next(testSpec(), stored.Obj(), obs.Obj(), testPolicy())
	if len(d.Effects) != 1 || d.Effects[0].Pod != (PodRef{Namespace: "ns", Name: "virt-launcher-a", UID: "pod-a"}) {
		t.Errorf("effects %+v, want the deletion of virt-launcher-a alone", d.Effects)
	}
	obs = at(32).Pods(podOf("b", "Always")).VM("a", vmOf("a", "Always"), vmiAt("vmi-a", vmiFailed, "n1"))
	if d := Next(testSpec(), d.Status, obs.Obj(), testPolicy()); d.Status.Phase != failurev1alpha1.PhaseRecovering {
		t.Errorf("phase %s with only an unrecorded pod left, want Recovering: it is not waited for", d.Status.Phase)
	}
	if len(d.Status.VMs) != 1 {
		t.Errorf("%d records, want 1: the record ends with the proof", len(d.Status.VMs))
	}
}

func TestMarks(t *testing.T) {
	pod := podOf("a", "Always")
	source := podOf("b", "Always")
	source.VMI = moving(source.VMI, "n1", "n2")
	returning := func() *recordBuilder { return record(failurev1alpha1.PhaseReturning).Proof(30) }
	recovering := func() *recordBuilder {
		return record(failurev1alpha1.PhaseRecovering).Proof(30).Pods(pod).State(failurev1alpha1.VMReleased)
	}
	lost := func(b *obsBuilder) *obsBuilder { return b.VM("a", vmOf("a", "Always"), VMIView{}) }
	returned := func(b *recordBuilder, s float64) *recordBuilder {
		m := micro(start.Add(seconds(s)))
		b.status.ReturnedAt = &m
		return b
	}
	runPass(t, map[string]passCase{
		"Ready True, though silent: not yet": {
			stored: recovering(), obs: lost(at(40).Pods().Volumes(2)),
			wantPhase: failurev1alpha1.PhaseRecovering, wantRequeue: seconds(5),
		},
		"NotReady with volumes": {
			stored: recovering(), obs: lost(at(52).Ready("Unknown").Pods().Volumes(2)),
			wantPhase: failurev1alpha1.PhaseRecovering, wantEffects: []EffectKind{EffectOutOfService}, wantEvents: []string{ReasonOutOfService}, wantRequeue: seconds(5),
		},
		"NotReady with nothing left": {
			stored: recovering(), obs: lost(at(52).Ready("Unknown").Pods()),
			wantPhase: failurev1alpha1.PhaseRecovering, wantRequeue: seconds(5),
		},
		"ours, lost in a crash: again, quietly": {
			stored: recovering().OutOfService(), obs: lost(at(62).Ready("Unknown").Pods().Volumes(2)),
			wantPhase: failurev1alpha1.PhaseRecovering, wantEffects: []EffectKind{EffectOutOfService}, wantRequeue: seconds(5),
		},
		"somebody else's": {
			stored: recovering(), obs: lost(at(52).Ready("Unknown").OutOfService().Pods().Volumes(2)),
			wantPhase: failurev1alpha1.PhaseRecovering, wantRequeue: seconds(5),
		},
		"somebody else's is not taken off": {
			stored: recovering(), obs: lost(at(52).Ready("Unknown").OutOfService().Pods()),
			wantPhase: failurev1alpha1.PhaseRecovering, wantRequeue: seconds(5),
		},
		"ours is taken off when nothing is left": {
			stored: recovering().OutOfService(), obs: lost(at(70).Ready("Unknown").OutOfService().Pods()),
			wantPhase: failurev1alpha1.PhaseRecovering, wantEffects: []EffectKind{EffectRemoveOutOfService}, wantRequeue: seconds(1),
		},
		"ours is taken off a Ready node whatever is left": {
			stored: recovering().OutOfService(), obs: lost(at(70).Boot("b2").Beat(1).OutOfService().Pods().Volumes(2)),
			wantPhase: failurev1alpha1.PhaseRecovering, wantEffects: []EffectKind{EffectRemoveOutOfService}, wantEvents: []string{ReasonReturned}, wantRequeue: seconds(1),
		},
		"not while a pod is held": {
			stored:    record(failurev1alpha1.PhaseReleasing).Proof(30).Pods(source).State(failurev1alpha1.VMHeld),
			obs:       at(60).Ready("Unknown").Pods(source).Volumes(1).VM("b", vmOf("b", "Always"), source.VMI),
			wantPhase: failurev1alpha1.PhaseReleasing, wantRequeue: seconds(5),
		},
		"alive in the proved boot": {
			stored: recovering().OutOfService(), obs: lost(at(70).Beat(1).OutOfService().Pods().Volumes(2)),
			wantPhase: failurev1alpha1.PhaseRecovering, wantEffects: []EffectKind{EffectRemoveOutOfService}, wantEvents: []string{ReasonUnfenced},
			wantAlarm: alarmUnfenced, wantRequeue: seconds(1),
		},
		"beats in the proved boot, not Ready: nobody is called yet": {
			stored: recovering().OutOfService(), obs: lost(at(70).Ready("Unknown").Beat(1).OutOfService().Pods().Volumes(2)),
			wantPhase: failurev1alpha1.PhaseRecovering, wantEffects: []EffectKind{EffectRemoveOutOfService}, wantRequeue: seconds(1),
		},
		"beats in the proved boot for long, not Ready": {
			stored: func() *recordBuilder {
				b := recovering()
				s := pass{out: b.status, obs: at(70).Obj(), now: micro(start.Add(seconds(70)))}
				s.note(signalLease, "renewed after the proof")
				b.status = s.out
				return b
			}(),
			obs:       lost(at(100).Ready("Unknown").Beat(1).Pods().Volumes(2)),
			wantPhase: failurev1alpha1.PhaseRecovering, wantEvents: []string{ReasonUnfenced}, wantAlarm: alarmUnfenced, wantRequeue: seconds(5),
		},
		"back": {
			stored: returning(), obs: at(200).Boot("b2").Beat(1).Pods(),
			wantPhase: failurev1alpha1.PhaseReturning, wantEvents: []string{ReasonReturned}, wantRequeue: seconds(5),
		},
		"back, taint lost: it is not put on a later boot": {
			stored: returning(), obs: at(200).Boot("b2").Beat(1).Untainted().Pods(),
			wantPhase: failurev1alpha1.PhaseReturning, wantEvents: []string{ReasonReturned}, wantRequeue: seconds(5),
		},
		"back for long enough": {
			stored: returned(returning(), 200), obs: at(260).Boot("b2").Beat(1).Pods(),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "Returned", wantEvents: []string{ReasonClosed}, wantEffects: []EffectKind{EffectUntaint},
		},
		"back for long enough, but our out-of-service taint is still on": {
			stored: returned(returning().OutOfService(), 200), obs: at(260).Boot("b2").Beat(1).OutOfService().Pods(),
			wantPhase: failurev1alpha1.PhaseReturning, wantEffects: []EffectKind{EffectRemoveOutOfService}, wantRequeue: seconds(1),
		},
		"not Ready again: the delay starts again": {
			stored: returned(returning(), 200), obs: at(260).Ready("False").Boot("b2").Beat(1).Pods(),
			wantPhase: failurev1alpha1.PhaseReturning, wantRequeue: seconds(5),
		},
		"silent in the next boot: another incident's": {
			stored: returning(), obs: at(300).Ready("Unknown").Boot("b2").Pods(),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "Superseded", wantEvents: []string{ReasonClosed}, wantEffects: []EffectKind{EffectUntaint},
		},
		"the Node is gone": {
			stored: returning().OutOfService(), obs: at(300).Gone().Pods(),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "NodeGone", wantEvents: []string{ReasonClosed},
		},
	})
}
