// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"testing"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// TestFollow: what a released VM must have become before it is settled, by runStrategy.
func TestFollow(t *testing.T) {
	none := VMIView{}
	old := func(phase, node string) VMIView { return vmiAt("vmi-a", phase, node) }
	fresh := func(phase, node string) VMIView { return vmiAt("vmi-new", phase, node) }
	stopping := func(vmi VMIView) VMIView { vmi.Deleting = true; return vmi }
	bare := podOf("a", "")
	bare.VM = VMView{}
	source := podOf("a", "RerunOnFailure")
	source.VMI = moving(source.VMI, "n1", "n2")
	tests := map[string]struct {
		pod     PodView
		vm      VMView
		vmi     VMIView
		after   float64 // seconds; 40 when zero
		wantDue failurev1alpha1.VMDue
		// wantOutcome is empty while the VM is not settled.
		wantOutcome string
		wantWarning bool
	}{
		"Always: the old VMI still claims to run": {pod: podOf("a", "Always"), vm: vmOf("a", "Always"), vmi: old(vmiRunning, "n1"), wantDue: failurev1alpha1.DueRestart},
		"Always: failed":    {pod: podOf("a", "Always"), vm: vmOf("a", "Always"), vmi: old(vmiFailed, "n1"), wantDue: failurev1alpha1.DueRestart},
		"Always: none yet":  {pod: podOf("a", "Always"), vm: vmOf("a", "Always"), vmi: none, after: 6000, wantDue: failurev1alpha1.DueRestart},
		"Always: scheduled": {pod: podOf("a", "Always"), vm: vmOf("a", "Always"), vmi: fresh("Scheduled", "n2"), wantDue: failurev1alpha1.DueRestart},
		"Always: runs": {
			pod: podOf("a", "Always"), vm: vmOf("a", "Always"), vmi: fresh(vmiRunning, "n2"),
			wantDue: failurev1alpha1.DueRestart, wantOutcome: "restarted on n2",
		},
		"Always: halted meanwhile": {
			pod: podOf("a", "Always"), vm: vmOf("a", "Halted"), vmi: none,
			wantDue: failurev1alpha1.DueStayStopped, wantOutcome: "stays off (Halted)",
		},
		"Always: deleted meanwhile": {
			pod: podOf("a", "Always"), vm: VMView{}, vmi: none,
			wantDue: failurev1alpha1.DueGone, wantOutcome: "the VM was deleted",
		},
		"Always: another VM of that name": {
			pod: podOf("a", "Always"), vm: VMView{Exists: true, UID: "vm-other", RunStrategy: "Always"}, vmi: none,
			wantDue: failurev1alpha1.DueGone, wantOutcome: "the VM was deleted",
		},
		"RerunOnFailure: runs": {
			pod: podOf("a", "RerunOnFailure"), vm: vmOf("a", "RerunOnFailure"), vmi: fresh(vmiRunning, "n3"),
			wantDue: failurev1alpha1.DueRestart, wantOutcome: "restarted on n3",
		},
		"RerunOnFailure: its guest had shut down": {
			pod: podOf("a", "RerunOnFailure"), vm: vmOf("a", "RerunOnFailure"), vmi: old(vmiSucceeded, "n1"),
			wantDue: failurev1alpha1.DueStayStopped, wantOutcome: "stays Succeeded (RerunOnFailure)",
		},
		"RerunOnFailure: no VMI yet": {pod: podOf("a", "RerunOnFailure"), vm: vmOf("a", "RerunOnFailure"), vmi: none, wantDue: failurev1alpha1.DueRestart},
		"RerunOnFailure: no VMI for ten minutes": {
			pod: podOf("a", "RerunOnFailure"), vm: vmOf("a", "RerunOnFailure"), vmi: none, after: 700,
			wantDue: failurev1alpha1.DueStayStopped, wantWarning: true,
			wantOutcome: "no VMI for 10m0s: it was stopped, or its restart was lost; start it by hand if it should run",
		},
		"RerunOnFailure: KubeVirt deletes the failed VMI to run it again": {
			pod: podOf("a", "RerunOnFailure"), vm: vmOf("a", "RerunOnFailure"), vmi: stopping(old(vmiFailed, "n1")),
			wantDue: failurev1alpha1.DueRestart,
		},
		"RerunOnFailure: was being stopped, then failed": {
			pod: func() PodView { p := podOf("a", "RerunOnFailure"); p.VMI.Deleting = true; return p }(),
			vm:  vmOf("a", "RerunOnFailure"), vmi: stopping(old(vmiFailed, "n1")),
			wantDue: failurev1alpha1.DueStayStopped, wantOutcome: "stays Failed (RerunOnFailure)",
		},
		"RerunOnFailure: was being stopped": {
			pod: func() PodView { p := podOf("a", "RerunOnFailure"); p.VMI.Deleting = true; return p }(),
			vm:  vmOf("a", "RerunOnFailure"), vmi: none,
			wantDue: failurev1alpha1.DueStayStopped, wantOutcome: "stays off (RerunOnFailure)",
		},
		"Manual: failed": {
			pod: podOf("a", "Manual"), vm: vmOf("a", "Manual"), vmi: old(vmiFailed, "n1"),
			wantDue: failurev1alpha1.DueStayFailed, wantOutcome: "stays Failed (Manual)",
		},
		"Manual: still claims to run": {pod: podOf("a", "Manual"), vm: vmOf("a", "Manual"), vmi: old(vmiRunning, "n1"), wantDue: failurev1alpha1.DueStayFailed},
		"Manual: somebody starts it":  {pod: podOf("a", "Manual"), vm: vmOf("a", "Manual"), vmi: fresh("Scheduling", ""), wantDue: failurev1alpha1.DueStayFailed},
		"Manual: somebody started it": {
			pod: podOf("a", "Manual"), vm: vmOf("a", "Manual"), vmi: fresh(vmiRunning, "n2"), wantWarning: true,
			wantDue: failurev1alpha1.DueStayFailed, wantOutcome: "was due to stay off (Manual), but a new VMI vmi-new runs on n2, not by our doing",
		},
		"Once: failed": {
			pod: podOf("a", "Once"), vm: vmOf("a", "Once"), vmi: old(vmiFailed, "n1"),
			wantDue: failurev1alpha1.DueStayFailed, wantOutcome: "stays Failed (Once)",
		},
		"Once: was being deleted by somebody": {
			pod: func() PodView { p := podOf("a", "Once"); p.VMI.Deleting = true; return p }(),
			vm:  vmOf("a", "Once"), vmi: fresh(vmiRunning, "n2"),
			wantDue: failurev1alpha1.DueRestart, wantOutcome: "restarted on n2",
		},
		"Halted: being stopped": {
			pod: podOf("a", "Halted"), vm: vmOf("a", "Halted"), vmi: stopping(old(vmiRunning, "n1")), wantDue: failurev1alpha1.DueStayStopped,
		},
		"Halted: stopped": {
			pod: podOf("a", "Halted"), vm: vmOf("a", "Halted"), vmi: none,
			wantDue: failurev1alpha1.DueStayStopped, wantOutcome: "stays off (Halted)",
		},
		"WaitAsReceiver: nobody promises anything": {
			pod: podOf("a", "WaitAsReceiver"), vm: vmOf("a", "WaitAsReceiver"), vmi: old(vmiFailed, "n1"),
			wantDue: failurev1alpha1.DueStayFailed, wantOutcome: "stays Failed (WaitAsReceiver)",
		},
		"bare VMI: failed": {
			pod: bare, vmi: old(vmiFailed, "n1"), wantDue: failurev1alpha1.DueGone, wantOutcome: "ended; it belonged to no VM",
		},
		"bare VMI: still claims to run": {pod: bare, vmi: old(vmiRunning, "n1"), wantDue: failurev1alpha1.DueGone},
		"moved away: runs on": {
			pod: source, vm: vmOf("a", "RerunOnFailure"), vmi: old(vmiRunning, "n2"),
			wantDue: failurev1alpha1.DueRunOn, wantOutcome: "runs on at n2, never stopped",
		},
		"moved away: not quite done": {pod: source, vm: vmOf("a", "RerunOnFailure"), vmi: moving(old(vmiRunning, "n2"), "n1", "n2"), wantDue: failurev1alpha1.DueRunOn},
		"moved away, lost there": {
			pod: source, vm: vmOf("a", "RerunOnFailure"), vmi: old(vmiFailed, "n2"), wantDue: failurev1alpha1.DueRestart,
		},
		"moved away, lost there, restarted": {
			pod: source, vm: vmOf("a", "RerunOnFailure"), vmi: fresh(vmiRunning, "n3"),
			wantDue: failurev1alpha1.DueRestart, wantOutcome: "restarted on n3",
		},
		"home, but its migration had succeeded after all": {
			pod: podOf("a", "Manual"), vm: vmOf("a", "Manual"), vmi: old(vmiRunning, "n2"),
			wantDue: failurev1alpha1.DueRunOn, wantOutcome: "runs on at n2, never stopped",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			stored := record(failurev1alpha1.PhaseRecovering).Proof(30).Pods(tc.pod).State(failurev1alpha1.VMReleased).Obj()
			after := tc.after
			if after == 0 {
				after = 40
			}
			d := Next(testSpec(), stored, at(after).Pods().VM("a", tc.vm, tc.vmi).Obj(), testPolicy())
			got := d.Status.VMs[0]
			if got.Due != tc.wantDue || got.Outcome != tc.wantOutcome {
				t.Errorf("due %s, outcome %q, want %s, %q", got.Due, got.Outcome, tc.wantDue, tc.wantOutcome)
			}
			wantState, wantPhase := failurev1alpha1.VMReleased, failurev1alpha1.PhaseRecovering
			if tc.wantOutcome != "" {
				wantState, wantPhase = failurev1alpha1.VMSettled, failurev1alpha1.PhaseReturning
			}
			if got.State != wantState || d.Status.Phase != wantPhase {
				t.Errorf("state %s, phase %s, want %s, %s", got.State, d.Status.Phase, wantState, wantPhase)
			}
			for _, e := range d.Events {
				if e.Reason == ReasonVMSettled && (e.Warning != tc.wantWarning || e.VM == nil || e.VM.Name != "a") {
					t.Errorf("event %+v, want warning %v about a", e, tc.wantWarning)
				}
			}
		})
	}
}

// TestNewHome: the record says where a VM runs now.
func TestNewHome(t *testing.T) {
	stored := record(failurev1alpha1.PhaseRecovering).Proof(30).Pods(podOf("a", "Always"), podOf("b", "Manual")).State(failurev1alpha1.VMReleased)
	d := Next(testSpec(), stored.Obj(), at(40).Pods().
		VM("a", vmOf("a", "Always"), vmiAt("vmi-new", vmiRunning, "n2")).
		VM("b", vmOf("b", "Manual"), vmiAt("vmi-b", vmiFailed, "n1")).Obj(), testPolicy())
	a, b := d.Status.VMs[0], d.Status.VMs[1]
	if a.NewVMIUID != "vmi-new" || a.NewNode != "n2" || a.SettledAt == nil {
		t.Errorf("a: %+v, want vmi-new on n2", a)
	}
	if b.NewVMIUID != "" || b.NewNode != "" || b.SettledAt == nil {
		t.Errorf("b: %+v, want settled without a new VMI", b)
	}
	if !AllSettled(d.Status) || d.Status.VMsSettled != 2 {
		t.Errorf("settled %d of 2", d.Status.VMsSettled)
	}
}

// TestStartedAfterReturn: a pod that had never started is its kubelet's again when the node is back; its VM then runs there.
func TestStartedAfterReturn(t *testing.T) {
	stored := record(failurev1alpha1.PhaseReleasing).Proof(30).Pods(podOf("a", "Always")).Obj()
	back := func(s float64) *obsBuilder {
		return at(s).Boot("b2").Beat(1).Pods(podOf("a", "Always")).VM("a", vmOf("a", "Always"), vmiAt("vmi-a", vmiRunning, "n1"))
	}
	d := Next(testSpec(), stored, back(60).Obj(), testPolicy())
	if hasEffect(d, EffectDeletePod) || d.Status.VMs[0].State != failurev1alpha1.VMRecorded {
		t.Fatalf("effects %v, state %s: the pod of a living node was released", d.Effects, d.Status.VMs[0].State)
	}
}

// TestReturnedPodsEnd: as long as the kubelet may still end it, such a pod holds the incident; then it is its kubelet's.
func TestReturnedPodsEnd(t *testing.T) {
	returned := micro(start.Add(seconds(60)))
	b := record(failurev1alpha1.PhaseReleasing).Proof(30).Pods(podOf("a", "Manual"))
	b.status.ReturnedAt = &returned
	back := func(s float64) Observation {
		return at(s).Boot("b2").Beat(1).Pods(podOf("a", "Manual")).VM("a", vmOf("a", "Manual"), vmiAt("vmi-a", vmiRunning, "n1")).Obj()
	}
	if d := Next(testSpec(), b.Obj(), back(119), testPolicy()); d.Status.Phase != failurev1alpha1.PhaseReleasing {
		t.Errorf("phase %s after 59 s, want Releasing", d.Status.Phase)
	}
	d := Next(testSpec(), b.Obj(), back(120), testPolicy())
	if got := d.Status.VMs[0]; d.Status.Phase != failurev1alpha1.PhaseRecovering || got.State != failurev1alpha1.VMSettled || len(d.Effects) != 0 {
		t.Errorf("phase %s, state %s, effects %v after 60 s, want Recovering, Settled, none", d.Status.Phase, got.State, d.Effects)
	}
}
