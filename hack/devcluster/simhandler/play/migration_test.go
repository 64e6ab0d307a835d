// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// migrating is a VM that runs on a, with a target pod on b, held in a stage.
func migrating(t *testing.T, hold string) *theatre {
	t.Helper()
	th := newTheatre(t, makeVMI().Phase(virtv1.Scheduled).Node("a").Obj(), makePod("a").Obj())
	th.settle()
	th.pods = append(th.pods, makePod("b").Target().Obj())
	th.settle()
	handed := makeVMI().Node("a").Migrating("b").Obj()
	th.vmi.Labels, th.vmi.Status.MigrationState = handed.Labels, handed.Status.MigrationState
	th.vmi.Annotations = map[string]string{HoldAnnotation: hold}
	return th
}

// outcome is what is left of a migration.
type outcome struct {
	Guest     string // node of the live guest
	Node      string // status.nodeName
	Phase     virtv1.VirtualMachineInstancePhase
	Failed    bool
	Completed bool
	Ended     bool
	SourcePod corev1.PodPhase
	TargetPod corev1.PodPhase
}

func (th *theatre) outcome() outcome {
	s := th.vmi.Status.MigrationState
	return outcome{
		Guest: th.guestOn(), Node: th.vmi.Status.NodeName, Phase: th.vmi.Status.Phase, Failed: s.Failed, Completed: s.Completed,
		Ended: s.EndTimestamp != nil, SourcePod: th.podPhase("a"), TargetPod: th.podPhase("b"),
	}
}

func TestMigrationSucceeds(t *testing.T) {
	th := migrating(t, "")
	th.vmi.Status.EvacuationNodeName = "a"
	th.vmi.Status.LauncherContainerImageVersion = "image"
	th.pass(3 * time.Second)
	want := outcome{
		Guest: "b", Node: "b", Phase: virtv1.Running, Completed: true, Ended: true,
		SourcePod: corev1.PodSucceeded, TargetPod: corev1.PodRunning,
	}
	if diff := cmp.Diff(want, th.outcome()); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"PodStarted", "MigratedOut", "MigratedIn"}, th.whys()); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	events := th.world.Events(1)
	if !events[0].At.Equal(events[1].At) {
		t.Errorf("switch-over is not one moment: out %s, in %s", events[0].At, events[1].At)
	}
	// address by the target, start by the source, then all by the target; the first write is the boot.
	if diff := cmp.Diff([]string{"a", "b", "a", "b", "b", "b", "b", "b"}, th.updates); diff != "" {
		t.Errorf("writers of the VMI (-want +got):\n%s", diff)
	}
	vmi := th.vmi
	if vmi.Status.EvacuationNodeName != "" || vmi.Status.LauncherContainerImageVersion != "" ||
		vmi.Labels[virtv1.NodeNameLabel] != "b" {
		t.Errorf("not taken over: status %+v, labels %v", vmi.Status, vmi.Labels)
	}
	if _, there := vmi.Labels[virtv1.MigrationTargetNodeNameLabel]; there {
		t.Error("label of the target's node is still there")
	}
	s := vmi.Status.MigrationState
	if s.StartTimestamp == nil || s.TargetNodeDomainReadyTimestamp == nil || !s.TargetNodeDomainDetected ||
		s.TargetNodeAddress == "" || len(s.TargetDirectMigrationNodePorts) == 0 {
		t.Errorf("migration state is not whole: %+v", s)
	}
}

func TestMigrationIsHeld(t *testing.T) {
	tests := map[string]struct {
		hold string
		want outcome
	}{
		"before the switch-over": {
			hold: HoldBefore,
			want: outcome{
				Guest: "a", Node: "a", Phase: virtv1.Running, SourcePod: corev1.PodRunning, TargetPod: corev1.PodRunning,
			},
		},
		"at the switch-over, nothing written": {
			hold: HoldAt,
			want: outcome{
				Guest: "b", Node: "a", Phase: virtv1.Running, SourcePod: corev1.PodSucceeded, TargetPod: corev1.PodRunning,
			},
		},
		"after the switch-over": {
			hold: HoldAfter,
			want: outcome{
				Guest: "b", Node: "b", Phase: virtv1.Running, Ended: true,
				SourcePod: corev1.PodSucceeded, TargetPod: corev1.PodRunning,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			th := migrating(t, tc.hold)
			th.pass(time.Minute)
			if diff := cmp.Diff(tc.want, th.outcome()); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
			delete(th.vmi.Annotations, HoldAnnotation)
			th.pass(3 * time.Second)
			if got := th.outcome(); got.Guest != "b" || !got.Completed || got.Failed {
				t.Errorf("not completed when let go: %+v", got)
			}
			th.neverTwice()
		})
	}
}

// TestSideDies has every stage of a migration and everything that can befall one of its two machines.
func TestSideDies(t *testing.T) {
	when := epoch.Add(90 * time.Second)
	source := map[string]simhost.HostState{
		"off": makeHost("a").Off(when).Obj(), "cut off": makeHost("a").CutOff().Obj(),
		"no kubelet": makeHost("a").NoKubelet().Obj(), "no handler": makeHost("a").NoHandler().Obj(),
	}
	target := map[string]simhost.HostState{
		"off": makeHost("b").Off(when).Obj(), "cut off": makeHost("b").CutOff().Obj(),
		"no kubelet": makeHost("b").NoKubelet().Obj(), "no handler": makeHost("b").NoHandler().Obj(),
		"rebooted": makeHost("b").Booted("b-2", when).Obj(),
	}
	const (
		run  = corev1.PodRunning
		done = corev1.PodSucceeded
	)
	atSource := outcome{Guest: "a", Node: "a", Phase: virtv1.Running, SourcePod: run, TargetPod: run}
	failed := atSource
	failed.Failed, failed.Ended = true, true
	failedAndCleared := failed
	failedAndCleared.TargetPod = done
	noGuest := func(o outcome) outcome { o.Guest = ""; return o }
	switched := outcome{Guest: "b", Node: "a", Phase: virtv1.Running, SourcePod: done, TargetPod: run}
	told := outcome{Guest: "b", Node: "b", Phase: virtv1.Running, Ended: true, SourcePod: done, TargetPod: run}
	completed := told
	completed.Completed = true
	withSource := func(o outcome, p corev1.PodPhase) outcome { o.SourcePod = p; return o }

	tests := map[string]struct {
		hold  string
		dies  simhost.HostState
		letGo bool // the hold is lifted after the death
		want  outcome
	}{
		// The guest dies with the source; the target reports it.
		"before, source off":            {HoldBefore, source["off"], false, noGuest(failedAndCleared)},
		"before, source off, let go":    {HoldBefore, source["off"], true, noGuest(failedAndCleared)},
		"before, source cut off":        {HoldBefore, source["cut off"], true, failedAndCleared},
		"before, source no handler":     {HoldBefore, source["no handler"], true, failedAndCleared},
		"before, source no kubelet":     {HoldBefore, source["no kubelet"], true, withSource(completed, run)},
		"before, target off":            {HoldBefore, target["off"], false, failed},
		"before, target off, let go":    {HoldBefore, target["off"], true, failed},
		"before, target cut off":        {HoldBefore, target["cut off"], true, failed},
		"before, target no handler":     {HoldBefore, target["no handler"], true, failed},
		"before, target no kubelet":     {HoldBefore, target["no kubelet"], true, completed},
		"before, target rebooted":       {HoldBefore, target["rebooted"], true, failed},
		"at, source off":                {HoldAt, source["off"], true, completed},
		"at, source cut off":            {HoldAt, source["cut off"], true, completed},
		"at, source no handler":         {HoldAt, source["no handler"], true, completed},
		"at, target off":                {HoldAt, target["off"], false, noGuest(switched)},
		"at, target off, let go":        {HoldAt, target["off"], true, noGuest(switched)},
		"at, target cut off":            {HoldAt, target["cut off"], true, switched},
		"at, target no handler":         {HoldAt, target["no handler"], true, switched},
		"at, target no kubelet":         {HoldAt, target["no kubelet"], true, completed},
		"after, source off":             {HoldAfter, source["off"], true, completed},
		"after, source off, still held": {HoldAfter, source["off"], false, told},
		"after, target off":             {HoldAfter, target["off"], true, noGuest(told)},
		"after, target cut off":         {HoldAfter, target["cut off"], true, told},
		"after, target no handler":      {HoldAfter, target["no handler"], true, told},
		"after, target no kubelet":      {HoldAfter, target["no kubelet"], true, completed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			th := migrating(t, tc.hold)
			th.pass(90 * time.Second)
			th.set(tc.dies)
			th.settle()
			if tc.letGo {
				delete(th.vmi.Annotations, HoldAnnotation)
			}
			th.pass(10 * time.Second)
			if diff := cmp.Diff(tc.want, th.outcome()); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			th.neverTwice()
		})
	}
}

func TestSourceDiesAsItsPodEnds(t *testing.T) {
	// Switched over while the source's kubelet was away: the pod stays, and ends when the kubelet is back.
	th := migrating(t, HoldBefore)
	th.pass(time.Second)
	th.set(makeHost("a").NoKubelet().Obj())
	delete(th.vmi.Annotations, HoldAnnotation)
	th.pass(3 * time.Second)
	if got := th.podPhase("a"); got != corev1.PodRunning {
		t.Errorf("source pod is %s without a kubelet, want Running", got)
	}
	th.set(makeHost("a").Obj())
	th.settle()
	if got := th.podPhase("a"); got != corev1.PodSucceeded {
		t.Errorf("source pod is %s with the kubelet back, want Succeeded", got)
	}
}

func TestBothSidesDie(t *testing.T) {
	th := migrating(t, HoldBefore)
	th.pass(time.Second)
	th.set(makeHost("a").Off(th.now).Obj(), makeHost("b").Off(th.now).Obj())
	th.pass(time.Minute)
	want := outcome{Node: "a", Phase: virtv1.Running, SourcePod: corev1.PodRunning, TargetPod: corev1.PodRunning}
	if diff := cmp.Diff(want, th.outcome()); diff != "" {
		t.Errorf("nobody is left to write (-want +got):\n%s", diff)
	}
	// virt-handler leaves a VMI alone whose migration never ended, even when its own node has lost the guest.
	th.set(makeHost("a").Booted("a-2", th.now).Obj())
	th.attached["a"] = "a-2"
	th.pass(time.Minute)
	want.SourcePod = corev1.PodFailed
	if diff := cmp.Diff(want, th.outcome()); diff != "" {
		t.Errorf("the source is back (-want +got):\n%s", diff)
	}
}

func TestNextMigrationFindsNoGuest(t *testing.T) {
	// The target died untold; virt-controller hands over to another one: only now the source's handler looks.
	th := migrating(t, HoldAt)
	th.pass(3 * time.Second)
	th.set(makeHost("b").Off(th.now).Obj())
	th.pass(time.Minute)
	if got := th.vmi.Status.Phase; got != virtv1.Running {
		t.Fatalf("phase %s while the migration seems to run, want Running", got)
	}
	th.vmi = th.vmi.DeepCopy()
	th.vmi.Status.MigrationState = &virtv1.VirtualMachineInstanceMigrationState{
		MigrationUID: "next", SourceNode: "a", TargetNode: "c", TargetPod: "pod-c",
	}
	th.pass(time.Second)
	if got := th.vmi.Status.Phase; got != virtv1.Failed {
		t.Errorf("phase %s, want Failed", got)
	}
}

func TestMigrationIsAborted(t *testing.T) {
	th := migrating(t, HoldBefore)
	th.pass(time.Second)
	th.vmi.Status.MigrationState.AbortRequested = true
	th.settle()
	want := outcome{
		Guest: "a", Node: "a", Phase: virtv1.Running, Failed: true, Ended: true,
		SourcePod: corev1.PodRunning, TargetPod: corev1.PodSucceeded,
	}
	if diff := cmp.Diff(want, th.outcome()); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if got := th.vmi.Status.MigrationState.AbortStatus; got != virtv1.MigrationAbortSucceeded {
		t.Errorf("abort status %q, want Succeeded", got)
	}
}

func TestTargetPodIsReleasedMidway(t *testing.T) {
	th := migrating(t, HoldBefore)
	th.pass(time.Second)
	th.pods = th.pods[:1]
	th.pass(6 * time.Second)
	want := outcome{
		Guest: "a", Node: "a", Phase: virtv1.Running, Failed: true, Ended: true, SourcePod: corev1.PodRunning, TargetPod: "gone",
	}
	if diff := cmp.Diff(want, th.outcome()); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

func TestTargetPodIsReleasedUnderADeadKubelet(t *testing.T) {
	// Nobody ends the container: the copy goes on in it, whatever the API says.
	th := migrating(t, HoldBefore)
	th.pass(time.Second)
	th.set(makeHost("b").NoKubelet().Obj())
	th.pods = th.pods[:1]
	delete(th.vmi.Annotations, HoldAnnotation)
	th.pass(6 * time.Second)
	if got := th.guestOn(); got != "b" {
		t.Errorf("guest on %q, want b", got)
	}
}

func TestFailureIsReportedAfterAWhile(t *testing.T) {
	th := migrating(t, HoldBefore)
	th.pass(time.Second)
	th.set(makeHost("a").Off(th.now).Obj())
	th.pass(4900 * time.Millisecond)
	if th.vmi.Status.MigrationState.Failed {
		t.Error("reported before the time-out of a connection could have passed")
	}
	th.pass(200 * time.Millisecond)
	if !th.vmi.Status.MigrationState.Failed {
		t.Error("not reported after 5 s")
	}
}

func TestSimulatorComesBackInTheMiddle(t *testing.T) {
	for name, hold := range map[string]string{"copying": HoldBefore, "switched": HoldAt} {
		t.Run(name, func(t *testing.T) {
			th := migrating(t, hold)
			th.pass(3 * time.Second)
			th.world.EndMove(th.vmi.UID) // what is not in the ledger is forgotten
			delete(th.vmi.Annotations, HoldAnnotation)
			th.pass(3 * time.Second)
			if got := th.outcome(); got.Guest != "b" || !got.Completed {
				t.Errorf("not completed: %+v", got)
			}
			th.neverTwice()
		})
	}
}
