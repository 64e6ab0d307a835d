// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
)

func TestRoomIsMade(t *testing.T) {
	r := newRig(t, nominated("p", "n")).start()
	before := counted(t, resultSucceeded)
	plan := planOf("p", "n", "a", "b")
	plan.Moves[0].Launcher = pod("virt-launcher-a")
	for _, m := range append(plan.Moves, plan.Moves...) {
		if err := r.tracker.Create(r.ctx, plan, m); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(r.migrations()); got != 2 {
		t.Fatalf("%d migrations, want one for each VM however often they are asked for", got)
	}
	want := &migrationObject{
		TypeMeta: metav1.TypeMeta{APIVersion: "kubevirt.io/v1", Kind: "VirtualMachineInstanceMigration"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "virt-scheduler-a-uid-1",
			Labels: map[string]string{"virt-scheduler.io/preemptor": "p-uid", "kubevirt.io/vmi-name": "a"},
			Annotations: map[string]string{
				"virt-scheduler.io/preemptor-pod": "default/p", "virt-scheduler.io/makes-room-on": "n",
				"virt-scheduler.io/vmi-uid": "a-uid", "virt-scheduler.io/give-up-after": "10m0s",
			},
			Finalizers: []string{kubevirtv1.VirtualMachineInstanceMigrationFinalizer},
		},
		Spec: kubevirtv1.VirtualMachineInstanceMigrationSpec{VMIName: "a", AddedNodeSelector: map[string]string{"kubernetes.io/hostname": "home.example"}},
	}
	got := r.migration("a").DeepCopy()
	uid := got.UID
	got.UID, got.ResourceVersion, got.CreationTimestamp = "", "", metav1.Time{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was written (-want +got):\n%s", diff)
	}
	if r.going("p") != "n" || r.going("q") != "" || !r.tracker.Ours(uid) || r.tracker.Ours("another") {
		t.Errorf("going for p on %q, for q on %q, ours: %t and %t", r.going("p"), r.going("q"), r.tracker.Ours(uid), r.tracker.Ours("another"))
	}
	const moving = "moves from node n to node home to make room for pod default/p"
	if diff := cmp.Diff([]string{
		"Normal MovingToMakeRoom VM default/a " + moving, "Normal MovingToMakeRoom VM default/b " + moving,
		"Normal MovingToMakeRoom its VM " + moving, "Normal MovingToMakeRoom " + moving, "Normal MovingToMakeRoom " + moving,
	}, r.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	r.becomes("a", succeeded)
	r.becomes("b", running)
	r.becomes("b", succeeded)
	r.eventually("room is made", func() bool { return r.going("p") == "" && r.queue.times("default/p") == 1 })
	r.eventually("it is counted", func() bool { return counted(t, resultSucceeded) == before+2 })
	if diff := cmp.Diff([]string{
		"Normal RoomMade has moved away from node n to make room for pod default/p", "Normal RoomMade has moved away from node n to make room for pod default/p",
		"Normal RoomMade there is room on node n: moved away: default/a, default/b",
	}, r.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if r.nomination("p") != "n" || len(r.migrations()) != 2 {
		t.Errorf("nominated to %q, %d migrations; want both as they were", r.nomination("p"), len(r.migrations()))
	}
	// The same VM once more: the one that has ended is there still.
	if err := r.tracker.Create(r.ctx, planOf("p", "n", "a"), moveOf("a")); err != nil {
		t.Fatal(err)
	}
	if r.api.Get("virt-scheduler-a-uid-2") == nil {
		t.Error("no second migration of a VM whose first has ended")
	}
}

func TestRefusal(t *testing.T) {
	tests := map[string]struct {
		webhook error
		why     string // in the error
		result  result
	}{
		"by a webhook": {apierrors.NewForbidden(kubevirtv1.Resource("m"), "m", errors.New("VMI is not migratable")), "not migratable", resultRefused},
		"webhook down": {apierrors.NewInternalError(errors.New("failed calling webhook")), "failed calling webhook", resultRefused},
		"no answer":    {errors.New("lost"), "EOF", resultRefused},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nominated("p", "n")).start()
			before, abandoned := counted(t, tc.result), counted(t, resultAbandoned)
			plan := planOf("p", "n", "a", "b", "c")
			if err := r.tracker.Create(r.ctx, plan, plan.Moves[0]); err != nil {
				t.Fatal(err)
			}
			r.api.Stand(func(string, simapi.Object, func() error) error { return tc.webhook })
			if err := r.tracker.Create(r.ctx, plan, plan.Moves[1]); err == nil || !strings.Contains(err.Error(), tc.why) {
				t.Fatalf("Create() = %v, want an error that says %q", err, tc.why)
			}
			if r.going("p") != "" {
				t.Error("the plan goes on")
			}
			r.api.Stand(nil)
			if err := r.tracker.Create(r.ctx, plan, plan.Moves[2]); !errors.Is(err, errNotWanted) {
				t.Errorf("Create() of what is left of a plan that was given up: %v, want %v", err, errNotWanted)
			}
			r.after(0, "the other migration is deleted", func() bool { return r.deleting("a") })
			r.eventually("the nomination is cleared, and the pod tried again", func() bool { return r.nomination("p") == "" && r.queue.times("default/p") > 0 })
			r.eventually("it is counted", func() bool { return counted(t, tc.result) == before+1 && counted(t, resultAbandoned) == abandoned+1 })
			if got := len(r.migrations()); got != 1 {
				t.Errorf("%d migrations, want that of the first move only", got)
			}
			var told int
			for _, e := range r.told() {
				if strings.HasPrefix(e, "Warning MakingRoomGivenUp no room on node n: VM default/b could not be moved: ") && strings.Contains(e, tc.why) {
					told++
				}
			}
			if told != 1 {
				t.Errorf("the pod was told %d times, want once", told)
			}
		})
	}
}

// The patch names the pod as it was seen: one that names another node by now, or is another pod, stays as it is.
func TestNominationIsClearedWithAPrecondition(t *testing.T) {
	r := newRig(t, nominated("p", "n")).start()
	r.tracker.GiveUpPlan(r.ctx, planOf("p", "n"), errors.New("an eviction was refused"))
	r.eventually("cleared", func() bool { return r.nomination("p") == "" })
	var patches []string
	for _, action := range r.client.Actions() {
		if patch, ok := action.(interface{ GetPatch() []byte }); ok {
			patches = append(patches, action.GetSubresource()+" "+string(patch.GetPatch()))
		}
	}
	if diff := cmp.Diff([]string{`status {"metadata":{"resourceVersion":"7","uid":"p-uid"},"status":{"nominatedNodeName":null}}`}, patches); diff != "" {
		t.Errorf("patches (-want +got):\n%s", diff)
	}
}

func TestMigrationFails(t *testing.T) {
	r := newRig(t, nominated("p", "n")).start()
	plan := planOf("p", "n", "a", "b")
	for _, m := range plan.Moves {
		if err := r.tracker.Create(r.ctx, plan, m); err != nil {
			t.Fatal(err)
		}
	}
	r.told()
	r.becomes("a", failed)
	r.eventually("the other one is deleted, the nomination cleared, the pod tried again", func() bool {
		return r.deleting("b") && !r.deleting("a") && r.nomination("p") == "" && r.queue.times("default/p") > 0
	})
	host := hostWith("n")
	if !r.tracker.Excluded(pod("p").UID, host) || r.tracker.Excluded(pod("q").UID, host) || r.tracker.Excluded(pod("p").UID, hostWith("m")) {
		t.Error("want node n excluded for pod p, and no other node or pod")
	}
	if err := r.tracker.Create(r.ctx, plan, plan.Moves[0]); !errors.Is(err, errNotWanted) {
		t.Errorf("Create() on an excluded node: %v, want %v", err, errNotWanted)
	}
	if r.tracker.Excluded(pod("p").UID, hostWith("n", "another pod")) {
		t.Error("excluded although the node has changed")
	}
	if r.tracker.Excluded(pod("p").UID, host) {
		t.Error("excluded again")
	}
}

func TestExclusionEnds(t *testing.T) {
	r := newRig(t, pod("p"), pod("q")).start()
	r.tracker.GiveUpPlan(r.ctx, planOf("p", "n"), errors.New("no"))
	r.eventually("tried again", func() bool { return r.queue.times("default/p") == 1 })
	r.clock.Step(retryAfter - 1)
	if !r.tracker.Excluded(pod("p").UID, hostWith("n")) {
		t.Error("not excluded just before its end")
	}
	r.clock.Step(1)
	if r.tracker.Excluded(pod("p").UID, hostWith("n")) {
		t.Error("excluded after its end")
	}
	r.tracker.GiveUpPlan(r.ctx, planOf("q", "n"), errors.New("no"))
	r.after(retryAfter, "tried again when it ends by itself", func() bool { return r.queue.times("default/q") == 2 })
	r.eventually("nothing is remembered", r.remembersNothing)
}

func TestTooLong(t *testing.T) {
	r := newRig(t, nominated("p", "n")).start()
	before := counted(t, resultTimeout)
	if err := r.tracker.Create(r.ctx, planOf("p", "n", "a"), moveOf("a")); err != nil {
		t.Fatal(err)
	}
	r.clock.Step(timeout - 1)
	if r.deleting("a") || r.going("p") != "n" {
		t.Error("given up before its time")
	}
	r.after(1, "given up", func() bool { return r.deleting("a") && r.going("p") == "" && r.nomination("p") == "" })
	r.eventually("it is counted", func() bool { return counted(t, resultTimeout) == before+1 })
}

// Whoever sees it deletes migrations whose pod does not wait any more; others, and those of others, it leaves alone.
func TestLeftovers(t *testing.T) {
	placed := pod("placed")
	placed.Spec.NodeName = "somewhere"
	r := newRig(t, pod("waits"), placed)
	anotherPod := newMigration("waits", "n", "e")
	anotherPod.m.Labels[PreemptorLabel] = "the uid of a pod of the same name before"
	for _, m := range []migrationBuilder{
		newMigration("gone", "n", "a"), newMigration("placed", "n", "b"), newMigration("waits", "n", "c"), newMigration("gone", "n", "d").Phase(succeeded),
		anotherPod, foreign("by-hand", "f"),
	} {
		r.api.Set(m.Obj())
	}
	r.start()
	if !r.tracker.Ready() {
		t.Error("Start did not wait until what was there had been read")
	}
	r.after(0, "leftovers are deleted", func() bool { return r.deleting("a") && r.deleting("b") && r.deleting("e") })
	r.eventually("the plan that was found goes on", func() bool { return r.going("waits") == "n" })
	if r.deleting("c") || r.deleting("d") || r.api.Get("by-hand") == nil {
		t.Errorf("deleted what is no leftover: that of a pod that waits %t, one that has ended %t", r.deleting("c"), r.deleting("d"))
	}
}

// A process that is started anew goes on with what it finds, and asks for nothing twice.
func TestStartedAnew(t *testing.T) {
	r := newRig(t, nominated("p", "n"))
	r.api.Set(newMigration("p", "n", "a").Obj())
	r.start()
	r.eventually("found", func() bool { return r.going("p") == "n" })
	if err := r.tracker.Create(r.ctx, planOf("p", "n", "a"), moveOf("a")); err != nil {
		t.Error(err)
	}
	if err := r.tracker.Create(r.ctx, planOf("p", "m", "b"), moveOf("b")); err == nil || !strings.Contains(err.Error(), "away from node n for the same pod") {
		t.Errorf("Create() for another node: %v, want it refused", err)
	}
	if got := len(r.migrations()); got != 1 || r.going("p") != "n" {
		t.Errorf("%d migrations, going on %q; want the one that was found", got, r.going("p"))
	}
	r.tracker.GiveUp(r.ctx, pod("p").UID, "the node would not do any more")
	if r.going("p") != "" {
		t.Error("goes on after it was given up")
	}
	r.eventually("deleted, nomination cleared", func() bool { return r.deleting("a") && r.nomination("p") == "" })
}

func TestPreemptorGoes(t *testing.T) {
	r := newRig(t, nominated("p", "n")).start()
	if err := r.tracker.Create(r.ctx, planOf("p", "n", "a"), moveOf("a")); err != nil {
		t.Fatal(err)
	}
	if err := r.client.CoreV1().Pods(namespace).Delete(r.ctx, "p", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.after(0, "its migration is deleted", func() bool { return r.deleting("a") })
	if err := r.tracker.Create(r.ctx, planOf("p", "n", "b"), moveOf("b")); err == nil || !strings.Contains(err.Error(), "does not wait") {
		t.Errorf("Create() for a pod that is gone: %v, want an error that says so", err)
	}
	r.api.Delete(nameOf("a-uid", 1)) // KubeVirt lets it go
	r.after(0, "nothing is remembered", r.remembersNothing)
}

func TestPreemptorIsPlaced(t *testing.T) {
	r := newRig(t, nominated("p", "n")).start()
	if err := r.tracker.Create(r.ctx, planOf("p", "n", "a"), moveOf("a")); err != nil {
		t.Fatal(err)
	}
	placed := nominated("p", "n")
	placed.Spec.NodeName = "m"
	r.update(placed)
	r.after(0, "its migration is deleted", func() bool { return r.deleting("a") && r.going("p") == "" })
	if r.nomination("p") != "n" {
		t.Error("the nomination of a pod that has a host was changed")
	}
}

func TestWithoutKubeVirt(t *testing.T) {
	r := newRig(t, pod("p"))
	r.api = simapi.New(t, simapi.Migrations)
	r.start()
	if r.tracker.Ready() {
		t.Error("ready without KubeVirt")
	}
	if err := r.tracker.Create(r.ctx, planOf("p", "n", "a"), moveOf("a")); err == nil || !strings.Contains(err.Error(), "have not been read") {
		t.Errorf("Create() = %v, want it refused", err)
	}
	if inCluster, onNode := r.tracker.UnderWay("n"); inCluster != 0 || onNode != 0 || r.going("p") != "" {
		t.Error("something goes on without KubeVirt")
	}
	r.api.Install()
	r.eventually("KubeVirt's API is noticed and read", r.tracker.Ready)
}

func TestUnderWay(t *testing.T) {
	source := pod("virt-launcher-c")
	source.Spec.NodeName = "n"
	r := newRig(t, pod("p"), source)
	for _, m := range []migrationBuilder{
		foreign("a", "a").From("n", "virt-launcher-a"), foreign("b", "b").From("m", ""), foreign("c", "c").From("", "virt-launcher-c"), foreign("d", "d"),
		foreign("e", "e").From("", "unknown"), foreign("f", "f").Phase(succeeded).From("n", ""), foreign("g", "g").Deleting().From("n", ""),
		newMigration("p", "n", "h"),
	} {
		r.api.Set(m.Obj())
	}
	r.start()
	check := func(what string, wantInCluster, wantOnNode int) {
		t.Helper()
		if inCluster, onNode := r.tracker.UnderWay("n"); inCluster != wantInCluster || onNode != wantOnNode {
			t.Errorf("%s: %d in the cluster, %d away from n; want %d, %d", what, inCluster, onNode, wantInCluster, wantOnNode)
		}
	}
	check("what was there", 7, 4)
	r.eventually("the plan is found", func() bool { return r.going("p") == "n" })
	r.api.Forbid(true) // nothing that is written from now on need be seen
	plan := planOf("p", "n", "i", "j")
	if err := r.tracker.Create(r.ctx, plan, plan.Moves[0]); err != nil {
		t.Fatal(err)
	}
	check("with one that was just written, and one that is next", 9, 6)
}

func TestPool(t *testing.T) {
	r := newRig(t).start()
	pool := NewPool(r.clock)
	first, err := pool.For(r.ctx, r.handle)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := pool.For(r.ctx, r.handle); err != nil || second != first {
		t.Errorf("another profile has another tracker, %v", err)
	}
}

func TestHandlesThatLackSomething(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	bare := func(options ...frameworkruntime.Option) fwk.Handle {
		h, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil, options...)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	clock := testclock.NewFakeClock(start)
	if _, err := Start(ctx, bare(), clock); err == nil {
		t.Error("no error without informers")
	}
	client := fake.NewClientset()
	tracker, err := Start(ctx, bare(frameworkruntime.WithInformerFactory(informers.NewSharedInformerFactory(client, 0))), clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := tracker.Create(ctx, planOf("p", "n", "a"), moveOf("a")); err == nil {
		t.Error("something was created without a client configuration")
	}
}

// With -race: everything at once. However often and by however many moves are asked for, there is one migration of each VM.
func TestManyGoroutines(t *testing.T) {
	const preemptors = 4
	var pods []*corev1.Pod
	for i := range preemptors {
		pods = append(pods, nominated(fmt.Sprint("p", i), "n"))
	}
	r := newRig(t, pods...).start()
	go func() {
		for range r.recorder.Events { // it would block when full
		}
	}()
	var all sync.WaitGroup
	for i := range preemptors {
		name := fmt.Sprint("p", i)
		plan := planOf(name, "n", "a", "b", name)
		for range 3 {
			all.Go(func() {
				for _, m := range plan.Moves {
					_ = r.tracker.Create(r.ctx, plan, m)
					r.tracker.Going(pod(name).UID)
					r.tracker.Ours("x")
					r.tracker.UnderWay("n")
					r.tracker.Excluded(pod(name).UID, hostWith("n"))
				}
				r.tracker.GiveUp(r.ctx, pod(name).UID, "enough")
			})
		}
		all.Go(func() {
			for range 20 {
				byVM := map[string]int{}
				for _, m := range r.migrations() {
					if byVM[m.Spec.VMIName]++; !m.IsFinal() && byVM[m.Spec.VMIName] > 1 {
						t.Errorf("VM %s is moved twice", m.Spec.VMIName)
					}
				}
				r.clock.Step(time.Second)
			}
		})
	}
	all.Wait()
	r.after(timeout, "all are given up", func() bool {
		return !slices.ContainsFunc(r.migrations(), func(m *migrationObject) bool { return m.DeletionTimestamp == nil })
	})
}
