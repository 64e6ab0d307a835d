// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"testing"
	"time"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// TestLeftover: the target of a migration died after the switch-over and before anybody told. KubeVirt leaves the VMI Running on the
// source, whose pod has ended: that pod is recorded, then deleted, and nothing else of that node ever is.
func TestLeftover(t *testing.T) {
	target := podOf("a", "Always")
	target.Target = true
	target.VMI = moving(vmiAt("vmi-a", vmiRunning, "n2"), "n2", "n1")
	stored := func() *recordBuilder {
		return record(failurev1alpha1.PhaseRecovering).Proof(30).Pods(target).State(failurev1alpha1.VMReleased)
	}
	source := LauncherView{Name: "source", UID: "pod-source", Node: "n2", Ended: true}
	vmi := func(pods ...LauncherView) VMIView {
		v := vmiAt("vmi-a", vmiRunning, "n2")
		v.LaunchersRead, v.Launchers = true, pods
		return v
	}
	with := func(change func(*VMIView)) VMIView { v := vmi(source); change(&v); return v }
	living := source
	living.Ended = false
	third := LauncherView{Name: "third", UID: "pod-third", Node: "n3"}
	tests := map[string]struct {
		vmi VMIView
		// wantSeen: it is recorded. wantDelete: it is deleted once it has been seen for long enough.
		wantSeen, wantDelete bool
	}{
		"ended on the source":         {vmi: vmi(source), wantSeen: true, wantDelete: true},
		"alive on the source":         {vmi: vmi(living)},
		"another pod lives elsewhere": {vmi: vmi(source, third)},
		"no pod at all":               {vmi: vmi()},
		"pods not read":               {vmi: with(func(v *VMIView) { v.LaunchersRead, v.Launchers = false, nil; v.Phase = "Scheduling" })},
		"ended, and the VMI says so":  {vmi: with(func(v *VMIView) { v.Phase = vmiFailed })},
		"being stopped":               {vmi: with(func(v *VMIView) { v.Deleting = true })},
		"another VMI":                 {vmi: with(func(v *VMIView) { v.UID = "vmi-new" })},
		"ended on the failed node":    {vmi: with(func(v *VMIView) { v.NodeName = "n1" })},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			vm := vmOf("a", "Always")
			first := Next(testSpec(), stored().Obj(), at(40).Pods().VM("a", vm, tc.vmi).Obj(), testPolicy())
			if hasEffect(first, EffectDeletePod) {
				t.Fatalf("effects %v in the pass that saw it first, want none: nothing is stored yet", first.Effects)
			}
			if got := first.Status.VMs[0].Leftover != nil; got != tc.wantSeen {
				t.Fatalf("leftover %+v, want one: %v", first.Status.VMs[0].Leftover, tc.wantSeen)
			}
			soon := Next(testSpec(), first.Status, at(41).Pods().VM("a", vm, tc.vmi).Obj(), testPolicy())
			if hasEffect(soon, EffectDeletePod) {
				t.Errorf("effects %v after a second, want none yet", soon.Effects)
			}
			late := Next(testSpec(), first.Status, at(40+leftoverTime.Seconds()).Pods().VM("a", vm, tc.vmi).Obj(), testPolicy())
			if hasEffect(late, EffectDeletePod) != tc.wantDelete {
				t.Fatalf("effects %v after %s, want DeletePod: %v", late.Effects, leftoverTime, tc.wantDelete)
			}
			if tc.wantDelete && late.Effects[0].Pod.UID != source.UID {
				t.Errorf("deletes %+v, want %s", late.Effects[0].Pod, source.UID)
			}
			if tc.wantSeen && late.Status.VMs[0].State == failurev1alpha1.VMSettled {
				t.Errorf("settled as %q while no guest is left", late.Status.VMs[0].Outcome)
			}
		})
	}
	if leftoverTime < 5*time.Second {
		t.Errorf("leftoverTime %s leaves a shutting down guest's handler no time to tell", leftoverTime)
	}
}

// TestLeftoverAndLife: a leftover stays while the failed node may be alive in the boot that was proved to have ended, because the guest
// that had moved there may be alive with it. In any other boot that guest is gone all the same.
func TestLeftoverAndLife(t *testing.T) {
	target := podOf("a", "Always")
	target.Target = true
	target.VMI = moving(vmiAt("vmi-a", vmiRunning, "n2"), "n2", "n1")
	vmi := vmiAt("vmi-a", vmiRunning, "n2")
	vmi.LaunchersRead, vmi.Launchers = true, []LauncherView{{Name: "source", UID: "pod-source", Node: "n2", Ended: true}}
	stored := record(failurev1alpha1.PhaseRecovering).Proof(30).Pods(target).State(failurev1alpha1.VMReleased).Obj()
	stored.VMs[0].Leftover = &failurev1alpha1.LeftoverPod{Name: "source", UID: "pod-source", Node: "n2", SeenAt: micro(start.Add(seconds(40)))}
	tests := map[string]struct {
		obs  *obsBuilder
		want bool
	}{
		"silent":                         {at(60).Ready("Unknown"), true},
		"the Node is gone":               {at(60).Gone(), true},
		"beats, not Ready":               {at(60).Ready("Unknown").Beat(1), false},
		"beats, Ready":                   {at(60).Beat(1), false},
		"beats, tells no boot ID":        {at(60).Ready("Unknown").Boot("").Beat(1), false},
		"another Node, in the same boot": {at(60).Replaced().Beat(1), false},
		"another Node, in another boot":  {at(60).Replaced().Boot("b2").Beat(1), true},
		"rebooted":                       {at(60).Boot("b2").Beat(1), true},
		"rebooted, not yet Ready":        {at(60).Ready("Unknown").Boot("b2"), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := Next(testSpec(), stored, tc.obs.Pods().VM("a", vmOf("a", "Always"), vmi).Obj(), testPolicy())
			if hasEffect(d, EffectDeletePod) != tc.want {
				t.Errorf("effects %v, want DeletePod: %v", d.Effects, tc.want)
			}
			if d.RequeueAfter < 0 {
				t.Error("nothing would look again")
			}
		})
	}
}
