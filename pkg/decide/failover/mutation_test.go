// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build nightly

package failover

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutants are bugs that somebody might write. Each must be caught by the other tests of this package.
var mutants = map[string]struct{ file, old, bug string }{
	"identity is not looked at": {
		"power.go", "verdict != identity.Same {", "verdict != identity.Same && false {",
	},
	"an absent identity passes": {
		"power.go", "verdict != identity.Same {", "verdict == identity.Mismatch {",
	},
	"a disabled driver is believed": {
		"power.go", `case obs.DriverDisabled != "":`, "case false:",
	},
	"one Off reading is a proof": {
		"proof.go", "len(f.OffReadings) < 2 || !s.power.off || f.OffReadings[1].At != s.power.record.At", "len(f.OffReadings) < 1 || !s.power.off",
	},
	"two Off readings may be of one moment": {
		"power.go", "s.power.record.At.Sub(f.OffReadings[0].At.Time) >= s.policy.PowerReadInterval", "true",
	},
	"On between two Off readings is forgotten": {
		"power.go", "if !r.off || !s.signs.stale || s.signs.rebooted {", "if !r.off {\n\t\treturn\n\t}\n\tif !s.signs.stale || s.signs.rebooted {",
	},
	"Off counts while the Lease is fresh": {
		"power.go", "if !r.off || !s.signs.stale || s.signs.rebooted {", "if !r.off {",
	},
	"the pods of the proof's pass are not needed": {
		"proof.go", "s.signs.rebooted || !s.recordedNow()", "s.signs.rebooted",
	},
	"released in the pass of the proof": {
		"release.go", "\t\ts.enter(failurev1alpha1.PhaseReleasing", "\t\ts.release()\n\t\ts.enter(failurev1alpha1.PhaseReleasing",
	},
	"any proof will do": {
		"proof.go", "return proof.NodeUID == spec.NodeUID && proof.BootID == spec.BootID", "return proof != nil",
	},
	"migrations are not waited for": {
		"release.go", "&& s.hold(r, m) {", "&& s.hold(r, m) && false {",
	},
	"a migration is waited for, for ever": {
		"release.go", "if left <= 0 {", "if left <= -1<<62 {",
	},
	"a returned node's pods are deleted": {
		"release.go", "\t\tif s.signs.alive() {\n\t\t\ts.leaveToKubelet(r)\n\t\t\tcontinue\n\t\t}\n", "",
	},
	"pods that nobody recorded are waited for": {
		"release.go", "recorded[pod.UID] && !pod.Finished", "!pod.Finished",
	},
	"out-of-service on a Ready node": {
		"marks.go", "case !s.signs.sameNode || s.signs.ready || s.signs.alive():", "case !s.signs.sameNode:",
	},
	"somebody else's out-of-service taint is ours": {
		"marks.go", "case s.in.OutOfServiceAt == nil:", "case false:",
	},
	"out-of-service is forgotten in a crash": {
		"marks.go", "s.out.OutOfServiceAt = &at", "_ = at",
	},
	"out-of-service is left behind": {
		"marks.go", "\tif s.out.OutOfServiceAt != nil {\n\t\treturn\n\t}\n", "",
	},
	"power-off twice": {
		"fencing.go", "case f.IssuedAt == nil && s.mayIssue():", "case s.mayIssue():",
	},
	"power-off is sent before it is stored": {
		"fencing.go", "s.out.Fence.IssuedAt = &at", "_ = at",
	},
	"retries keep their id": {
		"fencing.go", "s.out.Fence = s.newFence(f.Attempt + 1)\n\ts.event", "s.out.Fence = s.newFence(f.Attempt)\n\ts.event",
	},
	"no limit of attempts": {
		"fencing.go", "case old.Attempt >= s.policy.MaxAttempts:", "case false:",
	},
	"not being Ready confirms": {
		"signs.go", "s.confirmed = !s.beat && quiet >= p.ConfirmAfter", "s.confirmed = quiet >= p.ConfirmAfter || node.Ready != ready",
	},
	"a renewed Lease is not seen": {
		"signs.go", "s.beat = node.LeaseFingerprint != \"\" &&", "s.beat = false &&",
	},
	"the last look trusts the first": {
		"fencing.go", "\tcase sg.beat:\n\t\treturn false, \"the node's Lease was renewed\"\n", "",
	},
	"the last look forgets the power": {
		"fencing.go", "case !r.on:\n\t\treturn false", "case false:\n\t\treturn false",
	},
	"the look before a release takes any NodeFailure": {
		"lastlook.go", "case look.Stored.UID != look.Decided:", "case false:",
	},
	"the look before a release takes any phase": {
		"lastlook.go", "case stored.Phase != failurev1alpha1.PhaseReleasing &&", "case false &&",
	},
	"the look before a release forgets that the node is unfenced": {
		"lastlook.go", "case conditionTrue(stored, failurev1alpha1.ConditionUnfenced):", "case false:",
	},
	"the look before a release forgets beats": {
		"lastlook.go", "case sg.beat:", "case sg.beat && sg.ready:",
	},
	"the look before a release forgets a reboot": {
		"lastlook.go", "case sg.rebooted:", "case false:",
	},
	"the look before a release forgets another Node": {
		"lastlook.go", "case sg.replaced:", "case false:",
	},
	"the look before a release forgets the record": {
		"lastlook.go", "return false, \"the pod is not in the stored record\"", "return silent(sg)",
	},
	"the look before a release takes a pod that is held": {
		"lastlook.go", "case r.PodUID == ref.UID && !released(r):", "case false:",
	},
	"the look before a release takes a leftover that lives": {
		"lastlook.go", "case !look.Pod.Ended:", "case false:",
	},
	"out-of-service by an old look": {
		"lastlook.go", "case sg.ready:", "case false:",
	},
	"a leftover goes while the proved boot beats": {
		"leftover.go", "if s.signs.provedBootMayLive() {", "if false {",
	},
	"a leftover stays for ever once its node has rebooted": {
		"leftover.go", "if s.signs.provedBootMayLive() {", "if s.signs.alive() {",
	},
	"any token will do": {
		"proof.go", "case token != TokenFor(s.spec):", "case false:",
	},
	"a token counts while the kubelet lives": {
		"proof.go", "case s.signs.sameNode && s.signs.fresh:", "case false:",
	},
	"a token counts while the node is Ready": {
		"proof.go", "|| !s.signs.confirmed || s.signs.ready:", "|| !s.signs.confirmed:",
	},
	"a refused token is honoured later": {
		"proof.go", "\tif s.in.RefusedToken == shorten(token, maxTokenSize) {\n\t\treturn false\n\t}\n", "",
	},
	"waiting ends by itself": {
		"fencing.go", "if !s.signs.confirmed || s.signs.rebooted || !s.recordedNow() {\n\t\treturn\n\t}\n\tif f",
		"if s.now.Sub(s.in.SuspectedAt.Time) > 5*time.Minute {\n\t\ts.startFencing()\n\t\treturn\n\t}\n\tif f",
	},
	"a reboot is overlooked": {
		"signs.go", "node.BootID != spec.BootID\n", "false\n",
	},
	"a node alive after its proof goes unnoticed": {
		"marks.go", "!s.signs.rebooted && (s.signs.ready || s.beatsOn()):", "!s.signs.rebooted && s.beatsOn():",
	},
	"control-plane nodes are fenced": {
		"next.go", "if s.spec.ControlPlane {", "if false {",
	},
	"closed before the taint is seen gone": {
		"next.go", "if s.signs.sameNode && s.obs.Node.Tainted {\n\t\ts.effect(Effect{Kind: EffectUntaint})", "if false {\n\t\ts.effect(Effect{Kind: EffectUntaint})",
	},
	"a Manual VM is expected to restart": {
		"capture.go", "return failurev1alpha1.DueStayFailed\n\tdefault:", "return failurev1alpha1.DueRestart\n\tdefault:",
	},
	"a migration's target is taken for the guest's home": {
		"capture.go", "return failurev1alpha1.RoleMigrationTarget", "return failurev1alpha1.RoleHome",
	},
	"settled before the new VMI runs": {
		"follow.go", "case running && !same:", "case !same:",
	},
	"settled while the migration goes on": {
		"follow.go", "&& !inFlight(vmi.Migration) && vmi.LaunchersRead {", "&& vmi.LaunchersRead {",
	},
}

func TestMutants(t *testing.T) {
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			source, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), m.old); n != 1 {
				t.Fatalf("%s holds %q %d times, want once: bring the mutant up to date", m.file, m.old, n)
			}
			dir := t.TempDir()
			mutant := filepath.Join(dir, m.file)
			if err := os.WriteFile(mutant, []byte(strings.Replace(string(source), m.old, m.bug, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			original, err := filepath.Abs(m.file)
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutant}})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(file, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "go", "test", "-failfast", "-vet=off", "-overlay", file, ".", "-rapid.nofailfile", "-rapid.shrinktime=1ms").CombinedOutput()
			switch {
			case strings.Contains(string(out), "[build failed]"):
				t.Fatalf("the mutant does not compile:\n%s", out)
			case err == nil:
				t.Errorf("not caught")
			}
		})
	}
}
