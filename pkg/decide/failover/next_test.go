// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// TestPowerLoss follows the main path pass by pass: power loss with a readable BMC, one VM restarted, the node returns.
func TestPowerLoss(t *testing.T) {
	pod := podOf("a", "Always")
	lost, gone := vmiAt("vmi-a", vmiRunning, "n1"), vmiAt("vmi-a2", vmiRunning, "n2")
	vm := vmOf("a", "Always")
	steps := []struct {
		name    string
		obs     Observation
		phase   failurev1alpha1.Phase
		effects []EffectKind
		events  []string
	}{
		{"suspected, first Off", at(25).Untainted().Power("Off").Obj(), failurev1alpha1.PhaseSuspect, []EffectKind{EffectTaint}, []string{ReasonSuspected, ReasonPowerReadOff}},
		{"too early for the second", at(27).Power("Off").Pods(pod).Obj(), failurev1alpha1.PhaseSuspect, nil, nil},
		{"second Off", at(30).Power("Off").Pods(pod).Obj(), failurev1alpha1.PhaseFenced, nil, []string{ReasonFenced}},
		{"proof is stored", at(30.1).Obj(), failurev1alpha1.PhaseReleasing, nil, []string{ReasonReleasing}},
		{"release", at(30.2).Pods(pod).VM("a", vm, lost).Volumes(1).Obj(), failurev1alpha1.PhaseReleasing, []EffectKind{EffectDeletePod}, []string{ReasonVMReleased}},
		{"release repeated after a crash", at(30.3).Pods(pod).VM("a", vm, lost).Volumes(1).Obj(), failurev1alpha1.PhaseReleasing, []EffectKind{EffectDeletePod}, nil},
		{"pod gone", at(30.4).Pods().VM("a", vm, vmiAt("vmi-a", vmiFailed, "n1")).Volumes(1).Obj(), failurev1alpha1.PhaseRecovering, nil, nil},
		{"NotReady at last: volumes", at(52).Ready("Unknown").Pods().VM("a", vm, VMIView{}).Volumes(1).Obj(), failurev1alpha1.PhaseRecovering, []EffectKind{EffectOutOfService}, []string{ReasonOutOfService}},
		{"detached, restarted", at(55).Ready("Unknown").OutOfService().Pods().VM("a", vm, gone).Obj(), failurev1alpha1.PhaseReturning, []EffectKind{EffectRemoveOutOfService}, []string{ReasonVMSettled, ReasonAllSettled}},
		{"mark seen gone", at(56).Ready("Unknown").Pods().Obj(), failurev1alpha1.PhaseReturning, nil, nil},
		{"returned", at(300).Boot("b2").Beat(1).Pods().Obj(), failurev1alpha1.PhaseReturning, nil, []string{ReasonReturned}},
		{"healthy for a minute", at(361).Boot("b2").Beat(1).Pods().Obj(), failurev1alpha1.PhaseClosed, []EffectKind{EffectUntaint}, []string{ReasonClosed}},
		{"untaint repeated", at(362).Boot("b2").Beat(1).Obj(), failurev1alpha1.PhaseClosed, []EffectKind{EffectUntaint}, nil},
		{"history", at(363).Boot("b2").Beat(1).Untainted().Obj(), failurev1alpha1.PhaseClosed, nil, nil},
	}
	spec, status := Open(steps[0].obs.Node, "n1", steps[0].obs.Now)
	for _, step := range steps {
		d := Next(spec, status, step.obs, testPolicy())
		if d.Status.Phase != step.phase {
			t.Fatalf("%s: phase %s (%s), want %s", step.name, d.Status.Phase, d.Status.Message, step.phase)
		}
		if diff := cmp.Diff(step.effects, kinds(d)); diff != "" {
			t.Errorf("%s: effects (-want +got):\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.events, reasons(d)); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", step.name, diff)
		}
		status = d.Status
	}
	if got, want := status.VMs[0].Outcome, "restarted on n2"; got != want {
		t.Errorf("outcome %q, want %q", got, want)
	}
	if got := status.Fence.Proof.Kind; got != failurev1alpha1.ProofAlreadyOff {
		t.Errorf("proof %s, want AlreadyOff", got)
	}
	if status.VMCount != 1 || status.VMsSettled != 1 {
		t.Errorf("columns %d/%d, want 1/1", status.VMCount, status.VMsSettled)
	}
}

func kinds(d Decision) []EffectKind {
	var list []EffectKind
	for _, e := range d.Effects {
		list = append(list, e.Kind)
	}
	return list
}

func reasons(d Decision) []string {
	var list []string
	for _, e := range d.Events {
		list = append(list, e.Reason)
	}
	return list
}

func hasEffect(d Decision, kind EffectKind) bool { return slices.Contains(kinds(d), kind) }

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

var allPhases = []failurev1alpha1.Phase{
	failurev1alpha1.PhaseSuspect, failurev1alpha1.PhaseConfirmed, failurev1alpha1.PhaseFencing, failurev1alpha1.PhaseAwaitManual,
	failurev1alpha1.PhaseFenced, failurev1alpha1.PhaseReleasing, failurev1alpha1.PhaseRecovering, failurev1alpha1.PhaseReturning,
	failurev1alpha1.PhaseClosed,
}
