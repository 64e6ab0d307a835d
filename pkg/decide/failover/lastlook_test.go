// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// TestMayRelease: VM "a" was at home on n1, VM "b" lost its guest in a migration to n1 and has a leftover on n2. Both releases and the
// out-of-service taint were decided; the cases are what the last look sees instead.
func TestMayRelease(t *testing.T) {
	const (
		renewed  = "the node's Lease was renewed"
		rebooted = "the node has rebooted: its kubelet is to end the pods"
		replaced = "another Node object bears the name now"
		gone     = "the Node object is gone or another one"
		noProof  = "the stored record holds no proof of its incident"
		held     = "the stored record holds the pod back"
		ready    = "the node is Ready: volumes would be detached under a running guest"
	)
	type status = failurev1alpha1.NodeFailureStatus
	dead := func() *obsBuilder { return at(60).Ready("Unknown") }
	tests := map[string]struct {
		obs    *obsBuilder // nil: as dead as it was when decided
		change func(*failurev1alpha1.NodeFailure)
		pod    func(*LauncherView) // a's pod, and b's leftover

		// What forbids each; empty: nothing does.
		home, leftover, outOfService string
	}{
		"as decided": {},
		// Ready lags behind by up to 50 s, and an empty Lease is a lost one.
		"Ready still True, silent":         {obs: at(40), outOfService: ready},
		"the Lease is gone":                {obs: func() *obsBuilder { b := dead(); b.obs.Node.LeaseFingerprint = ""; return b }()},
		"the watcher has just begun":       {obs: dead().Restarted(0)},
		"the Node is gone":                 {obs: dead().Gone(), outOfService: gone},
		"the Node is gone, its Lease new":  {obs: dead().Gone().Beat(1), home: renewed, leftover: renewed, outOfService: gone},
		"beats, Ready":                     {obs: at(60).Beat(1), home: renewed, leftover: renewed, outOfService: ready},
		"beats, not Ready":                 {obs: dead().Beat(1), home: renewed, leftover: renewed, outOfService: renewed},
		"beats, tells no boot ID":          {obs: dead().Beat(1).Boot(""), home: renewed, leftover: renewed, outOfService: renewed},
		"rebooted, Ready":                  {obs: at(60).Boot("b2").Beat(1), home: rebooted, outOfService: ready},
		"rebooted, not Ready":              {obs: dead().Boot("b2").Beat(1), home: rebooted, outOfService: rebooted},
		"rebooted, Lease not yet renewed":  {obs: dead().Boot("b2"), home: rebooted, outOfService: rebooted},
		"replaced":                         {obs: dead().Replaced(), home: replaced, leftover: replaced, outOfService: gone},
		"replaced, beats":                  {obs: at(60).Replaced().Beat(1), home: replaced, leftover: replaced, outOfService: gone},
		"replaced, in another boot":        {obs: at(60).Replaced().Boot("b2").Beat(1), home: replaced, outOfService: gone},
		"another NodeFailure of that name": {change: func(f *failurev1alpha1.NodeFailure) { f.UID = "nf-2" }, home: "another NodeFailure bears the name now"},
		"no proof":                         {change: func(f *failurev1alpha1.NodeFailure) { f.Status.Fence.Proof = nil }, home: noProof},
		"no fence":                         {change: func(f *failurev1alpha1.NodeFailure) { f.Status.Fence = nil }, home: noProof},
		"no status":                        {change: func(f *failurev1alpha1.NodeFailure) { f.Status = status{} }, home: noProof},
		"proof of another node":            {change: func(f *failurev1alpha1.NodeFailure) { f.Status.Fence.Proof.NodeUID = "uid-0" }, home: noProof},
		"proof of another boot":            {change: func(f *failurev1alpha1.NodeFailure) { f.Status.Fence.Proof.BootID = "b0" }, home: noProof},
		"not recorded": {
			change: func(f *failurev1alpha1.NodeFailure) { f.Status.Recorded = false },
			home:   "the stored record of launcher pods is not complete",
		},
		"control plane": {change: func(f *failurev1alpha1.NodeFailure) { f.Spec.ControlPlane = true }, home: "it is a control-plane node"},
		"Fenced":        {change: inThePhase(failurev1alpha1.PhaseFenced), home: "the incident is in phase Fenced"},
		"Closed":        {change: inThePhase(failurev1alpha1.PhaseClosed), home: "the incident is in phase Closed"},
		"unknown phase": {change: inThePhase("Held"), home: "the incident is in phase Held"},
		"Returning":     {change: inThePhase(failurev1alpha1.PhaseReturning)},
		"unfenced": {
			change: func(f *failurev1alpha1.NodeFailure) {
				p := pass{out: f.Status, obs: at(59).Obj()}
				p.condition(failurev1alpha1.ConditionUnfenced, "True", unfencedSameBoot, "test")
				f.Status = p.out
			},
			home: "the node was seen alive in the boot that was proved to have ended",
		},
		"no pod is recorded": {
			change: func(f *failurev1alpha1.NodeFailure) { f.Status.VMs = nil },
			home:   "the pod is not in the stored record", leftover: "the pod is not in the stored record",
		},
		"other pods are recorded": {
			change: func(f *failurev1alpha1.NodeFailure) {
				f.Status.VMs[0].PodUID, f.Status.VMs[1].Leftover.UID = "other", "another"
			},
			home: "the pod is not in the stored record", leftover: "the pod is not in the stored record",
		},
		"held back": {
			change: func(f *failurev1alpha1.NodeFailure) {
				f.Status.VMs[0].State, f.Status.VMs[1].Leftover.ReleasedAt = failurev1alpha1.VMHeld, nil
			},
			home: held, leftover: held, outOfService: "the stored record holds pod virt-launcher-a back",
		},
		"settled": {change: func(f *failurev1alpha1.NodeFailure) { f.Status.VMs[0].State = failurev1alpha1.VMSettled }},
		"the taint's intention is not stored": {
			change:       func(f *failurev1alpha1.NodeFailure) { f.Status.OutOfServiceAt = nil },
			outOfService: "the intention is not stored",
		},
		"another pod of that name": {
			pod:  func(p *LauncherView) { p.UID = "new" },
			home: "another pod bears the name now", leftover: "another pod bears the name now",
		},
		"not ended":     {pod: func(p *LauncherView) { p.Ended = false }, leftover: "the pod is on node n2 and has not ended"},
		"on a third":    {pod: func(p *LauncherView) { p.Node = "n3" }, home: "the pod is on node n3"},
		"not scheduled": {pod: func(p *LauncherView) { p.Node = "" }, home: "the pod is on node none"},
	}
	// What is wrong with the whole record forbids everything.
	whole := map[string]bool{
		"another NodeFailure of that name": true, "no proof": true, "no fence": true, "no status": true, "proof of another node": true,
		"proof of another boot": true, "not recorded": true, "control plane": true, "Fenced": true, "Closed": true, "unknown phase": true,
		"unfenced": true,
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if whole[name] {
				tc.leftover, tc.outOfService = tc.home, tc.home
			}
			if tc.obs == nil {
				tc.obs = dead()
			}
			home := LauncherView{Name: "virt-launcher-a", UID: "pod-a", Node: "n1", Ended: true}
			leftover := LauncherView{Name: "source", UID: "source-b", Node: "n2", Ended: true}
			releases := map[string]struct {
				kind EffectKind
				uid  types.UID
				pod  LauncherView
				want string
			}{
				"home":           {EffectDeletePod, home.UID, home, tc.home},
				"leftover":       {EffectDeletePod, leftover.UID, leftover, tc.leftover},
				"out-of-service": {EffectOutOfService, "", LauncherView{}, tc.outOfService},
			}
			for what, release := range releases {
				nf := &failurev1alpha1.NodeFailure{Spec: testSpec(), Status: releasedRecord()}
				nf.UID = "nf-1"
				if tc.change != nil {
					tc.change(nf)
				}
				if tc.pod != nil {
					tc.pod(&release.pod)
				}
				look := LastLook{Decided: "nf-1", Stored: nf, Node: tc.obs.Obj().Node, Pod: release.pod}
				ok, why := MayRelease(Effect{Kind: release.kind, Pod: PodRef{Namespace: "ns", Name: release.pod.Name, UID: release.uid}}, look)
				if ok != (release.want == "") || why != release.want {
					t.Errorf("%s: ok %v, why %q, want %q", what, ok, why, release.want)
				}
			}
		})
	}
}

func inThePhase(phase failurev1alpha1.Phase) func(*failurev1alpha1.NodeFailure) {
	return func(f *failurev1alpha1.NodeFailure) { f.Status.Phase = phase }
}

// releasedRecord is a record in which everything may be released.
func releasedRecord() failurev1alpha1.NodeFailureStatus {
	a, b := podOf("a", "Always"), podOf("b", "Always")
	stored := record(failurev1alpha1.PhaseRecovering).Proof(30).Pods(a, b).State(failurev1alpha1.VMReleased).OutOfService().Obj()
	at := micro(start.Add(50 * time.Second))
	stored.VMs[1].Leftover = &failurev1alpha1.LeftoverPod{Name: "source", UID: "source-b", Node: "n2", SeenAt: at, ReleasedAt: &at}
	return stored
}

// TestMayReleaseNothingElse: what is no release is not allowed by the look before releases.
func TestMayReleaseNothingElse(t *testing.T) {
	nf := &failurev1alpha1.NodeFailure{Spec: testSpec(), Status: releasedRecord()}
	for _, kind := range []EffectKind{EffectTaint, EffectUntaint, EffectPowerOff, EffectRemoveOutOfService, ""} {
		if ok, why := MayRelease(Effect{Kind: kind}, LastLook{Stored: nf, Node: at(60).Ready("Unknown").Obj().Node}); ok || why == "" {
			t.Errorf("MayRelease(%q) = %v, %q, want a refusal with its reason", kind, ok, why)
		}
	}
}

// TestBootsBetweenDecisionAndRelease: the watcher is paused after it has stored what it releases, and the machine has booted when it goes
// on. One pod had never started before the failure, and its kubelet has just started it; the other one has just been ended.
func TestBootsBetweenDecisionAndRelease(t *testing.T) {
	for name, boots := range map[string]bool{"stays off": false, "boots": true} {
		t.Run(name, func(t *testing.T) {
			vms := []*modelVM{{name: "old", strategy: strategyAlways}, {name: "new", strategy: strategyAlways}}
			w := newWorld(vms)
			vms[1].pods["n1"].started, vms[1].running["n1"] = false, false
			w.host.kubelet = false
			s := newSimWatcher(t, w)
			actions["power cut"](w)
			s.between = func() {
				if s.stored.Phase == failurev1alpha1.PhaseReleasing && boots && !w.host.on {
					actions["power on"](w)
					w.advance(15 * time.Second)
				}
			}
			for end := w.now.Add(5 * time.Minute); s.stored.Phase != failurev1alpha1.PhaseReturning; {
				if w.now.After(end) {
					t.Fatalf("not settled: %s, %+v", describe(s.stored), s.stored.VMs)
				}
				w.advance(500 * time.Millisecond)
				if !s.open || !w.now.Before(s.wakeAt) {
					s.pass(faultNone)
				}
				if w.twice != "" {
					t.Fatalf("%s runs twice", w.twice)
				}
			}
			want := map[string]int{}
			if boots {
				want["the node has rebooted: its kubelet is to end the pods"] = 1
			}
			if diff := cmp.Diff(want, s.refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			if vms[1].running["n1"] != boots || vms[1].running["n2"] == boots {
				t.Errorf("the new VM runs at %v, want on n1: %v", vms[1].running, boots)
			}
		})
	}
}
