// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// TestEdges calls Next with every combination of a set of records and observations, and compares the changes of phase that it
// makes with docs/states.dot. On the way it holds what must hold of any record, also of ones that no run would make.
func TestEdges(t *testing.T) {
	edges := map[string]bool{}
	calls := 0
	for _, phase := range allPhases {
		for _, stored := range edgeRecords(phase) {
			for _, obs := range edgeObservations() {
				for _, controlPlane := range []bool{false, true} {
					spec := testSpec()
					spec.ControlPlane = controlPlane
					d := Next(spec, stored, obs, testPolicy())
					calls++
					if d.Status.Phase != phase {
						edges[string(phase)+" -> "+string(d.Status.Phase)] = true
						if d.RequeueAfter != 0 && d.Status.Phase != failurev1alpha1.PhaseClosed {
							t.Fatalf("%s -> %s asks for the next pass after %s, want at once", phase, d.Status.Phase, d.RequeueAfter)
						}
					}
					if d.RequeueAfter < 0 && d.Status.Phase != failurev1alpha1.PhaseClosed {
						t.Fatalf("nothing would look at phase %s again: %+v", phase, obs)
					}
					checkEffects(t, spec, stored, obs, d)
				}
			}
		}
	}
	t.Logf("%d calls", calls)
	got := make([]string, 0, len(edges))
	for edge := range edges {
		got = append(got, edge)
	}
	slices.Sort(got)
	if diff := cmp.Diff(drawnEdges(t), got); diff != "" {
		t.Errorf("docs/states.dot and the code differ (-drawn +code):\n%s", diff)
	}
}

func checkEffects(t *testing.T, spec failurev1alpha1.NodeFailureSpec, stored failurev1alpha1.NodeFailureStatus, obs Observation, d Decision) {
	t.Helper()
	for _, e := range d.Effects {
		switch e.Kind {
		case EffectDeletePod, EffectOutOfService:
			if !Proved(spec, stored) || !stored.Recorded || spec.ControlPlane || obs.Node.Exists && obs.Node.UID != spec.NodeUID {
				t.Fatalf("%s in phase %s without right", e.Kind, stored.Phase)
			}
			if e.Kind == EffectOutOfService && obs.Node.Ready == ready {
				t.Fatalf("out-of-service on a Ready node in phase %s", stored.Phase)
			}
		case EffectPowerOff:
			if spec.ControlPlane || stored.Phase != failurev1alpha1.PhaseFencing || obs.Power.Power != powerOn || obs.Power.SystemUUID != testUUID ||
				obs.Node.LeaseFingerprint != stored.LeaseFingerprint {
				t.Fatalf("power-off in phase %s with %+v", stored.Phase, obs)
			}
		case EffectTaint, EffectUntaint, EffectRemoveOutOfService:
			if obs.Node.UID != spec.NodeUID {
				t.Fatalf("%s on another node in phase %s", e.Kind, stored.Phase)
			}
		}
	}
	if d.Status.Fence != nil && d.Status.Fence.Proof != nil && (stored.Fence == nil || stored.Fence.Proof == nil) && d.Status.Phase != failurev1alpha1.PhaseFenced {
		t.Fatalf("a proof that does not lead to Fenced from %s", stored.Phase)
	}
}

func edgeRecords(phase failurev1alpha1.Phase) []failurev1alpha1.NodeFailureStatus {
	pod := podOf("a", "Always")
	builders := []*recordBuilder{
		record(phase), record(phase).Fence(), record(phase).Issued(52), record(phase).Issued(52).Attempt(3),
		record(phase).Off(595), record(phase).Issued(52).Off(595), record(phase).Pods(pod).OutOfService(),
		record(phase).Proof(40), record(phase).Proof(40).Pods(pod), record(phase).Proof(40).Pods(pod).State(failurev1alpha1.VMHeld),
		record(phase).Proof(40).Pods(pod).State(failurev1alpha1.VMReleased).OutOfService(),
		record(phase).Proof(40).Pods(pod).State(failurev1alpha1.VMSettled),
	}
	returned := micro(start.Add(seconds(100)))
	back := record(phase).Proof(40)
	back.status.ReturnedAt = &returned
	list := make([]failurev1alpha1.NodeFailureStatus, 0, len(builders)+1)
	for _, b := range append(builders, back) {
		list = append(list, b.Obj())
	}
	return list
}

// edgeObservations are all of second 600.
func edgeObservations() []Observation {
	nodes := []func(*obsBuilder){
		func(*obsBuilder) {},
		func(b *obsBuilder) { b.Ready("Unknown").Untainted() },
		func(b *obsBuilder) { b.Ready("Unknown").OutOfService() },
		func(b *obsBuilder) { b.Beat(1) },
		func(b *obsBuilder) { b.Ready("False").Beat(1) },
		func(b *obsBuilder) { b.Restarted(1) },
		func(b *obsBuilder) { b.Boot("b2").Beat(1) },
		func(b *obsBuilder) { b.Ready("Unknown").Boot("b2") },
		func(b *obsBuilder) { b.Gone() },
		func(b *obsBuilder) { b.Replaced().Beat(1) },
	}
	powers := []func(*obsBuilder){
		func(*obsBuilder) {},
		func(b *obsBuilder) { b.Power("On") },
		func(b *obsBuilder) { b.Power("Off") },
		func(b *obsBuilder) { b.Power("Transitional") },
		func(b *obsBuilder) { b.Power("Off").SystemUUID(otherUUID) },
		func(b *obsBuilder) { b.Unreadable("timeout") },
		func(b *obsBuilder) { b.Power("Off").Disabled("two nodes") },
	}
	pods := []func(*obsBuilder){
		func(*obsBuilder) {},
		func(b *obsBuilder) { b.Pods().VM("a", vmOf("a", "Always"), vmiAt("vmi-new", vmiRunning, "n2")) },
		func(b *obsBuilder) {
			b.Pods(podOf("a", "Always")).Volumes(1).VM("a", vmOf("a", "Always"), vmiAt("vmi-a", vmiRunning, "n1"))
		},
	}
	var list []Observation
	for _, node := range nodes {
		for _, power := range powers {
			for _, pod := range pods {
				for _, token := range []string{"", TokenFor(testSpec()), "uid-1/b0"} {
					b := at(600).Token(token)
					node(b)
					power(b)
					pod(b)
					list = append(list, b.Obj())
				}
			}
		}
	}
	return list
}

var edgePattern = regexp.MustCompile(`(?m)^\s*(\w+ -> \w+) \[`)

func drawnEdges(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "states.dot"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, match := range edgePattern.FindAllStringSubmatch(string(data), -1) {
		list = append(list, match[1])
	}
	return sorted(list)
}
