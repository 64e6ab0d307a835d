// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// passCase is one call of Next and what must come of it.
type passCase struct {
	stored *recordBuilder
	obs    *obsBuilder
	policy func(*Policy)
	spec   func(*failurev1alpha1.NodeFailureSpec)

	wantPhase   failurev1alpha1.Phase
	wantReason  string
	wantEffects []EffectKind
	wantEvents  []string
	// wantAlarm is the reason of a true Alarm; wantOff the number of counted Off readings.
	wantAlarm   string
	wantOff     int
	wantRequeue time.Duration
	anyRequeue  bool
}

func runPass(t *testing.T, tests map[string]passCase) {
	t.Helper()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec, p := testSpec(), testPolicy()
			if tc.policy != nil {
				tc.policy(&p)
			}
			if tc.spec != nil {
				tc.spec(&spec)
			}
			d := Next(spec, tc.stored.Obj(), tc.obs.Obj(), p)
			if d.Status.Phase != tc.wantPhase || tc.wantReason != "" && d.Status.Reason != tc.wantReason {
				t.Errorf("phase %s (%s: %s), want %s (%s)", d.Status.Phase, d.Status.Reason, d.Status.Message, tc.wantPhase, tc.wantReason)
			}
			if diff := cmp.Diff(tc.wantEffects, kinds(d)); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantEvents, reasons(d)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			alarm := ""
			if conditionTrue(d.Status, failurev1alpha1.ConditionAlarm) {
				alarm = alarmReason(d.Status)
			}
			if alarm != tc.wantAlarm {
				t.Errorf("alarm %q, want %q", alarm, tc.wantAlarm)
			}
			off := 0
			if d.Status.Fence != nil {
				off = len(d.Status.Fence.OffReadings)
			}
			if off != tc.wantOff {
				t.Errorf("%d Off readings, want %d", off, tc.wantOff)
			}
			if !tc.anyRequeue && d.RequeueAfter != tc.wantRequeue {
				t.Errorf("requeue after %s, want %s", d.RequeueAfter, tc.wantRequeue)
			}
		})
	}
}

func TestSuspect(t *testing.T) {
	suspect := func() *recordBuilder { return record(failurev1alpha1.PhaseSuspect) }
	runPass(t, map[string]passCase{
		"silent, On: read again": {
			stored: suspect(), obs: at(30).Power("On"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"the taint is asked for until it is seen": {
			stored: suspect(), obs: at(30).Untainted().Power("On"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantEffects: []EffectKind{EffectTaint}, wantRequeue: seconds(5),
		},
		"confirmation is waited for exactly": {
			stored: suspect(), obs: at(48).Power("On"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(2),
		},
		"first Off": {
			stored: suspect(), obs: at(30).Power("Off"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonPowerReadOff}, wantOff: 1, wantRequeue: seconds(5),
		},
		"second Off too early": {
			stored: suspect().Off(30), obs: at(34.9).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantOff: 1, wantRequeue: seconds(5),
		},
		"second Off": {
			stored: suspect().Off(30), obs: at(35).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseFenced, wantReason: "AlreadyOff", wantEvents: []string{ReasonFenced}, wantOff: 2,
		},
		"second Off, but the pods could not be read": {
			stored: suspect().Off(30), obs: at(35).Power("Off"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantOff: 2, wantRequeue: seconds(5),
		},
		"third Off, pods read": {
			stored: suspect().Off(30).Off(35), obs: at(40).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseFenced, wantEvents: []string{ReasonFenced}, wantOff: 2,
		},
		"two stored Off readings alone prove nothing": {
			stored: suspect().Off(30).Off(35), obs: at(40).Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantOff: 2, wantRequeue: seconds(5),
		},
		"On after Off": {
			stored: suspect().Off(30), obs: at(35).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"transitional after Off": {
			stored: suspect().Off(30), obs: at(35).Power("Transitional").Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"unreadable after Off": {
			stored: suspect().Off(30), obs: at(35).Unreadable("timeout").Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"Off of another machine": {
			stored: suspect().Off(30), obs: at(35).Power("Off").SystemUUID(otherUUID).Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonIdentityMismatch}, wantAlarm: alarmIdentity, wantRequeue: seconds(5),
		},
		"Off of a machine without a name": {
			stored: suspect(), obs: at(30).Power("Off").SystemUUID(""),
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonIdentityMismatch}, wantAlarm: alarmIdentity, wantRequeue: seconds(5),
		},
		"Off in the other byte order": {
			stored: suspect(), obs: at(30).Power("Off").SystemUUID("44454C4C-4200-1035-8053-B4C04F4E5331"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonPowerReadOff}, wantOff: 1, wantRequeue: seconds(5),
		},
		"Off of another machine, accepted by the override": {
			stored: suspect(), obs: at(30).Power("Off").SystemUUID(otherUUID),
			policy:    func(p *Policy) { p.IdentityOverride = otherUUID },
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonPowerReadOff}, wantOff: 1, wantRequeue: seconds(5),
		},
		"the override is for one machine only": {
			stored: suspect(), obs: at(30).Power("Off").SystemUUID("99999999-2222-3333-4444-555555555555"),
			policy:    func(p *Policy) { p.IdentityOverride = otherUUID },
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonIdentityMismatch}, wantAlarm: alarmIdentity, wantRequeue: seconds(5),
		},
		"Off with the driver disabled": {
			stored: suspect(), obs: at(30).Power("Off").Disabled("mapped to two nodes"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"Off while the Lease is fresh counts for nothing": {
			stored: suspect(), obs: at(30).Ready("False").Restarted(4).Power("Off"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"Ready again": {
			stored: suspect(), obs: at(40).Beat(1).Power("On"),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "Recovered", wantEvents: []string{ReasonRecovered}, wantEffects: []EffectKind{EffectUntaint},
		},
		"Ready again after the BMC said Off": {
			stored: suspect().Off(30), obs: at(35).Beat(1).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "Recovered", wantEvents: []string{ReasonOffWhileAlive, ReasonRecovered},
			wantEffects: []EffectKind{EffectUntaint}, wantAlarm: alarmContradicted, wantOff: 1,
		},
		"alive without Ready after the BMC said Off": {
			stored: suspect().Off(30), obs: at(35).Ready("False").Beat(1).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonOffWhileAlive}, wantAlarm: alarmContradicted, wantRequeue: seconds(5),
		},
		"a BMC that contradicted itself is not believed again": {
			stored: func() *recordBuilder {
				b := suspect()
				s := pass{out: b.status, obs: at(35).Obj()}
				s.raise(alarmContradicted, "test")
				b.status = s.out
				return b
			}(),
			obs:       at(40).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantAlarm: alarmContradicted, wantRequeue: seconds(5),
		},
		"a watcher that restarted takes Ready for nothing": {
			stored: suspect(), obs: at(40).Restarted(1).Power("On"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"a Lease that is renewed without Ready confirms nothing": {
			stored: suspect(), obs: at(90).Ready("False").Beat(3).Power("On"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"silent for ConfirmAfter": {
			stored: suspect(), obs: at(50).Power("On"),
			wantPhase: failurev1alpha1.PhaseConfirmed, wantReason: "LeaseStale", wantEvents: []string{ReasonConfirmed},
		},
		"rebooted": {
			stored: suspect(), obs: at(45).Boot("b2").Beat(1),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "Rebooted", wantEvents: []string{ReasonRecovered}, wantEffects: []EffectKind{EffectUntaint},
		},
		"rebooted after one Off is no contradiction": {
			stored: suspect().Off(30), obs: at(45).Boot("b2").Beat(1).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "Rebooted", wantEvents: []string{ReasonRecovered}, wantEffects: []EffectKind{EffectUntaint}, wantOff: 1,
		},
		"rebooted, not Ready yet": {
			stored: suspect(), obs: at(45).Ready("False").Boot("b2").Beat(1),
			wantPhase: failurev1alpha1.PhaseSuspect, wantRequeue: seconds(5),
		},
		"the node was deleted": {
			stored: suspect().Off(30), obs: at(45).Gone().Pods(podOf("a", "Always")),
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonNodeDeleted}, wantAlarm: alarmNodeDeleted, wantOff: 1, anyRequeue: true,
		},
		"the node was deleted and nothing is left": {
			stored: suspect().Off(30), obs: at(45).Gone().Pods(),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "NodeDeleted", wantEvents: []string{ReasonNodeDeleted, ReasonClosed}, wantAlarm: alarmNodeDeleted, wantOff: 1,
		},
		"the node was deleted, its machine is off": {
			stored: suspect().Off(30), obs: at(45).Gone().Power("Off").Pods(podOf("a", "Always")),
			wantPhase: failurev1alpha1.PhaseFenced, wantEvents: []string{ReasonNodeDeleted, ReasonFenced}, wantOff: 2,
		},
		"another node took the name": {
			stored: suspect(), obs: at(45).Replaced().Beat(1),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "NodeReplaced", wantEvents: []string{ReasonClosed},
		},
		"a control-plane node is only watched": {
			stored: suspect(), obs: at(60).Power("On").Token("uid-1/b1"), spec: func(s *failurev1alpha1.NodeFailureSpec) { s.ControlPlane = true },
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: alarmControlPlane,
			wantEvents: []string{ReasonControlPlane, ReasonTokenRefused}, wantAlarm: alarmTokenRefused,
		},
	})
}

func TestConfirmedAndFencing(t *testing.T) {
	confirmed := func() *recordBuilder { return record(failurev1alpha1.PhaseConfirmed) }
	fencing := func() *recordBuilder { return record(failurev1alpha1.PhaseFencing).Fence() }
	runPass(t, map[string]passCase{
		"On: an id is stored first": {
			stored: confirmed(), obs: at(51).Power("On").Pods(podOf("a", "Always")),
			wantPhase: failurev1alpha1.PhaseFencing, wantReason: "PowerOn",
		},
		"nothing before the pods are recorded": {
			stored: confirmed(), obs: at(51).Power("On"),
			wantPhase: failurev1alpha1.PhaseConfirmed, wantRequeue: seconds(1),
		},
		"Off: read once more": {
			stored: confirmed(), obs: at(51).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseConfirmed, wantEvents: []string{ReasonPowerReadOff}, wantOff: 1, wantRequeue: seconds(5),
		},
		"unreadable": {
			stored: confirmed(), obs: at(51).Unreadable("timeout").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: whyUnreachable, wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"no driver": {
			stored: confirmed(), obs: at(51).Pods(), policy: func(p *Policy) { p.DriverConfigured = false },
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: whyNoDriver, wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"driver disabled": {
			stored: confirmed(), obs: at(51).Power("On").Disabled("mapped to two nodes").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: whyDisabled, wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"another machine": {
			stored: confirmed(), obs: at(51).Power("On").SystemUUID(otherUUID).Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: alarmIdentity, wantEvents: []string{ReasonIdentityMismatch, ReasonAwaitManual}, wantAlarm: alarmIdentity,
		},
		"On again when all attempts are used up": {
			stored: confirmed().Issued(52).Attempt(3), obs: at(300).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: "AttemptsExhausted", wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"neither On nor Off": {
			stored: confirmed(), obs: at(144).Power("Unknown").Pods(),
			wantPhase: failurev1alpha1.PhaseConfirmed, wantRequeue: seconds(5),
		},
		"neither On nor Off for a whole attempt": {
			stored: confirmed(), obs: at(145).Power("Unknown").Pods(), // the builder entered the phase at 25 s
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: whyStuck, wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"neither On nor Off, and nothing issued": {
			stored: fencing(), obs: at(170).Power("Unknown").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: whyStuck, wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"the node is gone: its machine is not touched": {
			stored: confirmed(), obs: at(51).Gone().Power("On").Pods(podOf("a", "Always")),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: alarmNodeDeleted,
			wantEvents: []string{ReasonNodeDeleted, ReasonAwaitManual}, wantAlarm: alarmNodeDeleted,
		},
		"power-off, once the id is stored": {
			stored: fencing(), obs: at(52).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseFencing, wantEffects: []EffectKind{EffectPowerOff}, wantEvents: []string{ReasonPowerOffIssued}, wantRequeue: seconds(5),
		},
		"never again under the same id": {
			stored: fencing().Issued(52), obs: at(57).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseFencing, wantRequeue: seconds(5),
		},
		"not after the Lease was renewed": {
			stored: fencing(), obs: at(52).Ready("False").Beat(1).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantReason: "LeaseRenewed",
		},
		"not when the watcher has not watched for long": {
			stored: fencing(), obs: at(80).Restarted(10).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseFencing, wantRequeue: seconds(5),
		},
		"not with another machine": {
			stored: fencing(), obs: at(52).Power("On").SystemUUID(otherUUID).Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: alarmIdentity, wantEvents: []string{ReasonIdentityMismatch, ReasonAwaitManual}, wantAlarm: alarmIdentity,
		},
		"an unreadable moment is waited out": {
			stored: fencing(), obs: at(52).Unreadable("timeout").Pods(),
			wantPhase: failurev1alpha1.PhaseFencing, wantRequeue: seconds(5),
		},
		"unreadable for the whole attempt": {
			stored: fencing().Issued(52), obs: at(172).Unreadable("timeout").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: whyUnreachable, wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"first Off after it": {
			stored: fencing().Issued(52), obs: at(58).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseFencing, wantEvents: []string{ReasonPowerReadOff}, wantOff: 1, wantRequeue: seconds(5),
		},
		"second Off after it": {
			stored: fencing().Issued(52).Off(58), obs: at(63).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseFenced, wantReason: "PoweredOff", wantEvents: []string{ReasonFenced}, wantOff: 2,
		},
		"Off before it was ever sent": {
			stored: fencing().Off(58), obs: at(63).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseFenced, wantReason: "AlreadyOff", wantEvents: []string{ReasonFenced}, wantOff: 2,
		},
		"still On after the attempt: a new id": {
			stored: fencing().Issued(52), obs: at(172).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseFencing, wantEvents: []string{ReasonFenceRetry},
		},
		"still On after the last attempt": {
			stored: fencing().Issued(52).Attempt(3), obs: at(172).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: "AttemptsExhausted", wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"neither On nor Off after the attempt": {
			stored: fencing().Issued(52), obs: at(172).Power("Transitional").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: "PowerStuck", wantEvents: []string{ReasonAwaitManual}, wantAlarm: alarmNoProof,
		},
		"alive again after the power-off was sent": {
			stored: fencing().Issued(52), obs: at(57).Beat(1).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseClosed, wantReason: "Recovered", wantEvents: []string{ReasonRecovered}, wantEffects: []EffectKind{EffectUntaint},
		},
	})
}

func TestAwaitManual(t *testing.T) {
	await := func() *recordBuilder { return record(failurev1alpha1.PhaseAwaitManual) }
	runPass(t, map[string]passCase{
		"hours later": {
			stored: await(), obs: at(36000).Ready("Unknown").Unreadable("timeout").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: whyUnreachable, wantAlarm: alarmNoProof, wantRequeue: seconds(5),
		},
		"readable and Off": {
			stored: await(), obs: at(600).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantEvents: []string{ReasonPowerReadOff}, wantOff: 1, wantRequeue: seconds(5),
		},
		"Off twice": {
			stored: await().Off(600), obs: at(605).Power("Off").Pods(),
			wantPhase: failurev1alpha1.PhaseFenced, wantReason: "AlreadyOff", wantEvents: []string{ReasonFenced}, wantOff: 2,
		},
		"readable and On": {
			stored: await(), obs: at(600).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseFencing, wantReason: "PowerOn",
		},
		"readable and On while a power-off is out": {
			stored: await().Issued(550), obs: at(600).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseFencing,
		},
		"On when all attempts are used up": {
			stored: await().Issued(400).Attempt(3), obs: at(600).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: "AttemptsExhausted", wantAlarm: alarmNoProof, wantRequeue: seconds(5),
		},
		"On of another machine": {
			stored: await(), obs: at(600).Power("On").SystemUUID(otherUUID).Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantReason: alarmIdentity, wantEvents: []string{ReasonIdentityMismatch}, wantAlarm: alarmIdentity, wantRequeue: seconds(5),
		},
		"On after a restart of the watcher waits": {
			stored: await(), obs: at(600).Restarted(10).Power("On").Pods(),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantRequeue: seconds(5),
		},
		"the kubelet beats again": {
			stored: await(), obs: at(600).Ready("False").Beat(1).Unreadable("timeout").Pods(),
			wantPhase: failurev1alpha1.PhaseSuspect, wantReason: "LeaseRenewed",
		},
		"the right token": {
			stored: await(), obs: at(600).Ready("Unknown").Unreadable("timeout").Pods().Token("uid-1/b1"),
			wantPhase: failurev1alpha1.PhaseFenced, wantReason: "Manual", wantEvents: []string{ReasonFenced},
		},
		"the right token, pods unread": {
			stored: await(), obs: at(600).Ready("Unknown").Unreadable("timeout").Token("uid-1/b1"),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantRequeue: seconds(5),
		},
		"the right token while the node is Ready": {
			stored: await(), obs: at(600).Unreadable("timeout").Pods().Token("uid-1/b1"),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantAlarm: alarmNoProof, wantRequeue: seconds(5),
		},
		"the right token with a fresh Lease": {
			stored: func() *recordBuilder {
				b := await()
				b.status.LeaseFingerprint = at(600).Beat(5).Obj().Node.LeaseFingerprint
				return b
			}(),
			obs:       at(600).Ready("False").Beat(5).Unreadable("timeout").Pods().Token("uid-1/b1"),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantEvents: []string{ReasonTokenRefused}, wantAlarm: alarmTokenRefused, wantRequeue: seconds(5),
		},
		"the right token in the pass that sees a beat": {
			stored: await(), obs: at(600).Ready("False").Beat(5).Unreadable("timeout").Pods().Token("uid-1/b1"),
			wantPhase: failurev1alpha1.PhaseSuspect, wantEvents: []string{ReasonTokenRefused}, wantAlarm: alarmTokenRefused,
		},
		"another incident's token": {
			stored: await(), obs: at(600).Ready("Unknown").Unreadable("timeout").Pods().Token("uid-1/b0"),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantEvents: []string{ReasonTokenRefused}, wantAlarm: alarmTokenRefused, wantRequeue: seconds(5),
		},
		"a token is refused once": {
			stored:    func() *recordBuilder { b := await(); b.status.RefusedToken = "uid-1/b0"; return b }(),
			obs:       at(600).Ready("Unknown").Unreadable("timeout").Pods().Token("uid-1/b0"),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantAlarm: alarmNoProof, wantRequeue: seconds(5),
		},
		"a right token that was refused stays refused": {
			stored:    func() *recordBuilder { b := await(); b.status.RefusedToken = "uid-1/b1"; return b }(),
			obs:       at(600).Ready("Unknown").Unreadable("timeout").Pods().Token("uid-1/b1"),
			wantPhase: failurev1alpha1.PhaseAwaitManual, wantAlarm: alarmNoProof, wantRequeue: seconds(5),
		},
	})
}

func TestMayPowerOff(t *testing.T) {
	stored := func() *recordBuilder { return record(failurev1alpha1.PhaseFencing).Issued(52) }
	id := testSpec().Incident + "-1"
	tests := map[string]struct {
		stored *recordBuilder
		obs    *obsBuilder
		id     string
		spec   func(*failurev1alpha1.NodeFailureSpec)
		want   string
	}{
		"yes":                {stored(), at(53).Power("On"), id, nil, ""},
		"another id":         {stored(), at(53).Power("On"), id + "0", nil, "fence id " + id + "0 is not stored as issued"},
		"not issued":         {record(failurev1alpha1.PhaseFencing).Fence(), at(53).Power("On"), id, nil, "fence id " + id + " is not stored as issued"},
		"another phase":      {record(failurev1alpha1.PhaseSuspect).Issued(52), at(53).Power("On"), id, nil, "the incident is in phase Suspect"},
		"proved":             {stored().Proof(53), at(53).Power("On"), id, nil, "there is a proof already"},
		"Off":                {stored(), at(53).Power("Off"), id, nil, "power reads Off"},
		"transitional":       {stored(), at(53).Power("Transitional"), id, nil, "power reads Transitional"},
		"unread":             {stored(), at(53), id, nil, "power was not read in this pass"},
		"unreadable":         {stored(), at(53).Unreadable("timeout"), id, nil, "power can't be read: timeout"},
		"disabled":           {stored(), at(53).Power("On").Disabled("two nodes"), id, nil, "two nodes"},
		"renewed":            {stored(), at(53).Ready("Unknown").Beat(0).Power("On"), id, nil, "the node's Lease was renewed"},
		"not watched enough": {stored(), at(90).Restarted(40).Power("On"), id, nil, "the node's Lease has not been seen unchanged for 50s"},
		"rebooted":           {stored(), at(53).Boot("b2").Power("On"), id, nil, "the node has rebooted"},
		"gone":               {stored(), at(53).Gone().Power("On"), id, nil, "the Node object is gone or another one"},
		"control plane": {
			stored(), at(53).Power("On"), id, func(s *failurev1alpha1.NodeFailureSpec) { s.ControlPlane = true }, "it is a control-plane node",
		},
		"another machine": {
			stored(), at(53).Power("On").SystemUUID(otherUUID), id, nil,
			"system sys-1 at https://bmc-1 has UUID " + otherUUID + ", node n1 has " + testUUID + ": not the same machine, or not provably",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec := testSpec()
			if tc.spec != nil {
				tc.spec(&spec)
			}
			ok, why := MayPowerOff(spec, tc.stored.Obj(), tc.obs.Obj(), testPolicy(), tc.id)
			if ok != (tc.want == "") || why != tc.want {
				t.Errorf("ok %v, why %q, want %q", ok, why, tc.want)
			}
		})
	}
}
