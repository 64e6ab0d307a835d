// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
)

// deadNode is a node with two VMs whose Lease was last renewed at the start.
func deadNode(t *testing.T, ready corev1.ConditionStatus) *world {
	t.Helper()
	vmA, vmiA := makeVM("a")
	vmB, vmiB := makeVM("b")
	w := newWorld(t, makeNode(ready), makeLease(start), makeLauncher("a", "pod-a"), makeLauncher("b", "pod-b"), vmA, vmiA, vmB, vmiB)
	w.see(makeNode(ready), makeLease(start))
	return w
}

func TestPowerLoss(t *testing.T) {
	w := deadNode(t, corev1.ConditionTrue)
	if _, err := w.pass(24); err != nil {
		t.Fatal(err)
	}
	if got := w.taken(); len(got) > 0 {
		t.Fatalf("writes before the Lease is stale: %v", got)
	}
	if _, err := w.pass(1); err != nil {
		t.Fatal(err)
	}
	failures := w.failures()
	if len(failures) != 1 {
		t.Fatalf("%d NodeFailures, want 1", len(failures))
	}
	name := failures[0].Name
	w.see(w.node(), makeLease(start))
	want := []string{
		"create *v1alpha1.NodeFailure " + name, "store Suspect locked=true", "store Suspect locked=true",
		"patch *v1.Node node-1 taints=[virt-scheduler.io/node-failure] locked=true",
	}
	if diff := cmp.Diff(want, w.taken()); diff != "" {
		t.Errorf("writes at the suspicion (-want +got):\n%s", diff)
	}
	if _, err := w.pass(5); err != nil {
		t.Fatal(err)
	}
	want = []string{
		"store Fenced locked=true", "store Releasing locked=true", "store Releasing locked=true",
		"delete *v1.Pod virt-launcher-a grace=0 uid=pod-a", "delete *v1.Pod virt-launcher-b grace=0 uid=pod-b",
	}
	if diff := cmp.Diff(want, w.taken()); diff != "" {
		t.Errorf("writes with the second Off (-want +got):\n%s", diff)
	}
	if _, err := w.pass(5); err != nil {
		t.Fatal(err)
	}
	if got := w.failures()[0].Status.Phase; got != failurev1alpha1.PhaseRecovering {
		t.Errorf("phase = %s, want Recovering: the pods are gone", got)
	}
	if w.driver.offs != 0 {
		t.Errorf("%d power-offs of a machine that was off", w.driver.offs)
	}
}

func (w *world) node() *corev1.Node {
	w.t.Helper()
	node := &corev1.Node{}
	if err := w.client.Get(w.t.Context(), types.NamespacedName{Name: nodeName}, node); err != nil {
		w.t.Fatal(err)
	}
	return node
}

// Nothing is opened when the API server, asked directly, shows life that the watch has not.
func TestNoIncidentWhenOnlyTheWatchIsBehind(t *testing.T) {
	w := newWorld(t, makeNode(corev1.ConditionTrue), makeLease(start.Add(time.Second)))
	w.see(makeNode(corev1.ConditionTrue), makeLease(start))
	if _, err := w.pass(60); err != nil {
		t.Fatal(err)
	}
	if got := w.taken(); len(got) > 0 {
		t.Errorf("writes = %v, want none", got)
	}
	if got := w.r.Tracker.Lease(nodeName).UnchangedFor; got != 0 {
		t.Errorf("the clock stands at %s after the live read, want 0", got)
	}
}

func TestNoIncidentForNodesWithoutVMs(t *testing.T) {
	node := makeNode(corev1.ConditionUnknown)
	node.Labels = nil
	w := newWorld(t, node, makeLease(start))
	w.see(node, makeLease(start))
	if _, err := w.pass(60); err != nil {
		t.Fatal(err)
	}
	if got := w.taken(); len(got) > 0 {
		t.Errorf("writes = %v, want none", got)
	}
	// A launcher pod without the label: the node does carry VMs.
	if err := w.client.Create(t.Context(), makeLauncher("a", "pod-a")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pass(31); err != nil {
		t.Fatal(err)
	}
	if got := len(w.failures()); got != 1 {
		t.Errorf("%d NodeFailures, want 1", got)
	}
}

func TestNothingWhileTheAPIServerIsSilent(t *testing.T) {
	w := deadNode(t, corev1.ConditionUnknown)
	w.clock.Step(5 * time.Minute)
	result, err := w.pass(0)
	if err != nil {
		t.Fatal(err)
	}
	if result.RequeueAfter != silent {
		t.Errorf("RequeueAfter = %s, want %s", result.RequeueAfter, silent)
	}
	if got := w.taken(); len(got) > 0 {
		t.Errorf("writes = %v, want none", got)
	}
}

func TestNothingWithoutTheLead(t *testing.T) {
	w := deadNode(t, corev1.ConditionUnknown)
	w.stop()
	if _, err := w.pass(60); err != nil {
		t.Fatal(err)
	}
	if got := w.taken(); len(got) > 0 {
		t.Errorf("writes = %v, want none", got)
	}
}

// A crash at any write: the next pass goes on, and no pod is deleted before a stored proof.
func TestEveryWriteMayFailOnce(t *testing.T) {
	for at := range 12 {
		t.Run(fmt.Sprintf("write %d", at), func(t *testing.T) {
			w := deadNode(t, corev1.ConditionUnknown)
			n, fenced := 0, false
			w.fail = func(write string) error {
				n++
				if n == at+1 {
					return apierrors.NewInternalError(errors.New("lost"))
				}
				if strings.HasPrefix(write, "store Fenced") {
					fenced = true
				}
				if strings.HasPrefix(write, "delete") && !fenced {
					t.Errorf("%s before a proof was stored", write)
				}
				return nil
			}
			failed := 0
			for range 20 {
				if _, err := w.pass(5); err != nil {
					failed++
				}
				w.see(w.node(), makeLease(start))
				for _, nf := range w.failures() {
					w.r.Index.Set(&nf)
				}
			}
			if failed > 1 {
				t.Errorf("%d passes failed, want at most 1", failed)
			}
			failures := w.failures()
			if len(failures) != 1 || failures[0].Status.Phase != failurev1alpha1.PhaseRecovering {
				t.Errorf("NodeFailures = %+v, want one that is Recovering", failures)
			}
		})
	}
}

func TestPowerOffIsWithheldWhenTheNodeRenewsItsLease(t *testing.T) {
	tests := map[string]struct {
		renewAtRead bool
		want        int
	}{
		"silent":                     {want: 1},
		"renewed at the last moment": {renewAtRead: true, want: 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := deadNode(t, corev1.ConditionTrue)
			w.driver.power = fencing.PowerOn
			// The last reading before the action is the one made when the fence id is stored as issued.
			w.driver.onRead = func() {
				failures := w.failures()
				if !tc.renewAtRead || len(failures) == 0 || failures[0].Status.Fence == nil || failures[0].Status.Fence.IssuedAt == nil {
					return
				}
				lease := makeLease(start)
				if err := w.client.Get(w.t.Context(), types.NamespacedName{Namespace: corev1.NamespaceNodeLease, Name: nodeName}, lease); err != nil {
					t.Error(err)
				}
				lease.Spec.RenewTime.Time = w.clock.Now()
				if err := w.client.Update(w.t.Context(), lease); err != nil {
					t.Error(err)
				}
			}
			for range 12 {
				if _, err := w.pass(5); err != nil {
					t.Fatal(err)
				}
				if failures := w.failures(); len(failures) > 0 && failures[0].Status.Phase == failurev1alpha1.PhaseClosed {
					break
				}
				w.see(w.node(), makeLease(start))
			}
			if got := w.failures()[0].Status.Fence; got == nil || got.IssuedAt == nil {
				t.Error("no fence id was stored as issued: the last look was never reached")
			}
			if w.driver.offs != tc.want {
				t.Errorf("%d power-offs, want %d", w.driver.offs, tc.want)
			}
		})
	}
}
