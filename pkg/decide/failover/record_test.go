// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

func TestSuspicious(t *testing.T) {
	tests := map[string]struct {
		node NodeView
		want string
	}{
		"healthy":                     {at(3).Obj().Node, ""},
		"silent, not for long enough": {at(24.9).Obj().Node, ""},
		"silent":                      {at(25).Obj().Node, "LeaseStale"},
		"Unknown, and renewed":        {at(3).Ready("Unknown").Obj().Node, ""},
		"Unknown, and silent":         {at(25).Ready("Unknown").Obj().Node, "LeaseStale"},
		"kubelet says not Ready":      {at(3).Ready("False").Obj().Node, "NotReady"},
		"no condition yet":            {at(3).Ready("").Obj().Node, ""},
		"gone":                        {at(3).Gone().Obj().Node, ""},
		"being installed": {func() NodeView {
			n := at(90).Ready("False").Obj().Node
			n.NeverReady = true
			return n
		}(), ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, yes := Suspicious(tc.node, testPolicy())
			if got != tc.want || yes != (tc.want != "") {
				t.Errorf("%q, %v, want %q", got, yes, tc.want)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	node := at(25).Obj().Node
	spec, status := Open(node, "n1", start.Add(25*time.Second))
	again, _ := Open(at(26).Obj().Node, "n1", start.Add(26*time.Second))
	if spec != again {
		t.Errorf("two leaders make two incidents of one failure: %+v and %+v", spec, again)
	}
	later, _ := Open(at(600).Beat(25).Obj().Node, "n1", start.Add(600*time.Second))
	if later.Incident == spec.Incident {
		t.Errorf("the next failure of the node has the incident of the last, %s", spec.Incident)
	}
	if status.Phase != failurev1alpha1.PhaseSuspect || status.LeaseFingerprint != "lease-0" || !status.LastSeenAliveAt.Time.Equal(start) {
		t.Errorf("first status %+v", status)
	}
	if got := ObjectName(spec); got != "n1-"+spec.Incident {
		t.Errorf("name %s", got)
	}
	spec.NodeName = strings.Repeat("a", 243) + "." + strings.Repeat("b", 9)
	if got := ObjectName(spec); len(got) != 252 || !strings.HasSuffix(got, "a-"+spec.Incident) {
		t.Errorf("name of %d characters, want at most 253 with the incident and no dot before it: %s", len(got), got)
	}
	covers := map[string]struct {
		node NodeView
		want bool
	}{
		"same boot":                        {node, true},
		"returning in a later boot":        {at(60).Ready("False").Boot("b2").Beat(9).Obj().Node, true},
		"silent again in a later boot":     {at(90).Boot("b2").Beat(25).Obj().Node, false},
		"another Node object of that name": {at(25).Replaced().Obj().Node, false},
	}
	for name, tc := range covers {
		if got := Covers(again, status, tc.node); got != tc.want {
			t.Errorf("%s: covered %v, want %v", name, got, tc.want)
		}
	}
	if Covers(again, record(failurev1alpha1.PhaseClosed).Obj(), node) {
		t.Errorf("a closed incident covers nothing")
	}
}

// TestLostFirstStatus: an object whose first status was never stored begins now.
func TestLostFirstStatus(t *testing.T) {
	d := Next(testSpec(), failurev1alpha1.NodeFailureStatus{}, at(30).Untainted().Power("Off").Obj(), testPolicy())
	if d.Status.Phase != failurev1alpha1.PhaseSuspect || !hasEffect(d, EffectTaint) || reasons(d)[0] != ReasonSuspected {
		t.Errorf("phase %s, effects %v, events %v", d.Status.Phase, d.Effects, reasons(d))
	}
}

// TestEvidence: repetitions are folded, the more seldom the longer they go on, and the list is bounded at both ends.
func TestEvidence(t *testing.T) {
	spec, status, writes := testSpec(), record(failurev1alpha1.PhaseAwaitManual).Obj(), 0
	for i := range 720 {
		obs := at(600 + 5*float64(i)).Ready("Unknown").Unreadable(fmt.Sprintf("dial from port %d: timeout", i)).Pods().Obj()
		d := Next(spec, status, obs, testPolicy())
		if last := lastOf(status.Evidence, signalPower); last == nil || lastOf(d.Status.Evidence, signalPower).Count != last.Count {
			writes++
		}
		status = d.Status
	}
	if len(status.Evidence) != 3 || writes > 60 {
		t.Errorf("%d pieces of evidence and %d writes for an hour of the same, want 3 and at most 60: %+v", len(status.Evidence), writes, status.Evidence)
	}
	if last := lastOf(status.Evidence, signalPower); last.Count < 10 || last.LastAt == nil {
		t.Errorf("folded evidence %+v, want a count and a time", last)
	}
	s := pass{out: record(failurev1alpha1.PhaseSuspect).Obj()}
	for i := range 200 {
		s.note(signalNode, "thing %d", i)
	}
	if n := len(s.out.Evidence); n != maxEntries || s.out.Evidence[1].Detail != "thing 0" || s.out.Evidence[n-1].Detail != "thing 199" {
		t.Errorf("%d pieces, the second %q, the last %q", n, s.out.Evidence[1].Detail, s.out.Evidence[n-1].Detail)
	}
}

func TestShorten(t *testing.T) {
	long := strings.Repeat("ä", 200)
	if got := shorten(long, 256); len(got) > 256 || !utf8.ValidString(got) || !strings.HasSuffix(got, "...") {
		t.Errorf("%d bytes, valid %v: %s", len(got), utf8.ValidString(got), got)
	}
	if got := shorten("short", 256); got != "short" {
		t.Errorf("%q", got)
	}
}

// TestBounds: no text that comes from outside makes a record that the API server refuses.
func TestBounds(t *testing.T) {
	huge := strings.Repeat("x", 10000)
	obs := at(600).Ready("Unknown").Unreadable(huge).Pods().Token(huge).Obj()
	d := Next(testSpec(), record(failurev1alpha1.PhaseConfirmed).Obj(), obs, testPolicy())
	if len(d.Status.RefusedToken) > maxTokenSize {
		t.Errorf("refused token of %d bytes", len(d.Status.RefusedToken))
	}
	for _, e := range d.Status.Evidence {
		if len(e.Detail) > maxDetail {
			t.Errorf("evidence %s of %d bytes", e.Signal, len(e.Detail))
		}
	}
	for _, c := range d.Status.Conditions {
		if len(c.Message) > 32768 || c.Reason == "" || c.LastTransitionTime.IsZero() {
			t.Errorf("condition %s: %d bytes, reason %q", c.Type, len(c.Message), c.Reason)
		}
	}
	pods := make([]PodView, 0, maxRecords+1)
	for i := range maxRecords + 1 {
		pods = append(pods, podOf(fmt.Sprintf("vm%d", i), "Always"))
	}
	d = Next(testSpec(), record(failurev1alpha1.PhaseSuspect).Off(30).Obj(), at(35).Power("Off").Pods(pods...).Obj(), testPolicy())
	if len(d.Status.VMs) != maxRecords || d.Status.Recorded || d.Status.Phase != failurev1alpha1.PhaseSuspect {
		t.Errorf("%d records, recorded %v, phase %s: an incomplete record must not be a proof's", len(d.Status.VMs), d.Status.Recorded, d.Status.Phase)
	}
}

func TestNeeds(t *testing.T) {
	p, none := testPolicy(), Policy{}
	tests := map[string]struct {
		stored *recordBuilder
		policy Policy
		want   Needs
	}{
		"suspect":            {record(failurev1alpha1.PhaseSuspect), p, Needs{Power: true}},
		"suspect, Off once":  {record(failurev1alpha1.PhaseSuspect).Off(30), p, Needs{Power: true, Pods: true}},
		"suspect, no driver": {record(failurev1alpha1.PhaseSuspect), none, Needs{}},
		"confirmed":          {record(failurev1alpha1.PhaseConfirmed), p, Needs{Power: true, Pods: true}},
		"fencing":            {record(failurev1alpha1.PhaseFencing), p, Needs{Power: true, Pods: true}},
		"await, no driver":   {record(failurev1alpha1.PhaseAwaitManual), none, Needs{Pods: true}},
		"fenced":             {record(failurev1alpha1.PhaseFenced), p, Needs{}},
		"releasing":          {record(failurev1alpha1.PhaseReleasing), p, Needs{Pods: true, VMs: true}},
		"recovering":         {record(failurev1alpha1.PhaseRecovering), p, Needs{Pods: true, VMs: true}},
		"returning":          {record(failurev1alpha1.PhaseReturning), p, Needs{Pods: true}},
		"closed":             {record(failurev1alpha1.PhaseClosed), p, Needs{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := NeedsOf(testSpec(), tc.stored.Obj(), tc.policy); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}
