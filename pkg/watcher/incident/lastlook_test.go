// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/election"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

// releasing is the record of an incident whose releases were decided and stored: of VM a, and of the volumes.
func releasing() *failurev1alpha1.NodeFailure {
	at := metav1.NewMicroTime(start)
	return &failurev1alpha1.NodeFailure{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName + "-0123abcd", UID: "nf"},
		Spec:       failurev1alpha1.NodeFailureSpec{NodeName: nodeName, NodeUID: nodeUID, BootID: bootID, Incident: "0123abcd"},
		Status: failurev1alpha1.NodeFailureStatus{
			Phase: failurev1alpha1.PhaseReleasing, Recorded: true, LeaseFingerprint: observe.Fingerprint(makeLease(start)),
			Fence: &failurev1alpha1.Fence{Proof: &failurev1alpha1.Proof{NodeUID: nodeUID, BootID: bootID}}, OutOfServiceAt: &at,
			VMs: []failurev1alpha1.VMRecord{{
				Namespace: "ns", Name: "a", PodName: "virt-launcher-a", PodUID: "pod-a", State: failurev1alpha1.VMReleased, ReleasedAt: &at,
			}},
		},
	}
}

// change is what happens in the API server between the decision and the last look at it, or during that look.
type change struct {
	w  *world
	nf *failurev1alpha1.NodeFailure
}

func (c change) must(err error) {
	c.w.t.Helper()
	if err != nil {
		c.w.t.Fatal(err)
	}
}

func (c change) record(edit func(*failurev1alpha1.NodeFailure)) {
	nf := &failurev1alpha1.NodeFailure{}
	c.must(c.w.client.Get(c.w.t.Context(), client.ObjectKeyFromObject(c.nf), nf))
	edit(nf)
	c.must(c.w.client.Status().Update(c.w.t.Context(), nf))
}

// node changes what the Node's status says.
func (c change) node(edit func(*corev1.NodeStatus)) {
	node := c.w.node()
	edit(&node.Status)
	c.must(c.w.client.Status().Update(c.w.t.Context(), node))
}

func (c change) ready(status corev1.ConditionStatus) {
	c.node(func(s *corev1.NodeStatus) { s.Conditions[0].Status = status })
}

func (c change) boot() { c.node(func(s *corev1.NodeStatus) { s.NodeInfo.BootID = "boot-2" }) }

func (c change) beat() {
	lease := &coordinationv1.Lease{}
	c.must(c.w.client.Get(c.w.t.Context(), client.ObjectKeyFromObject(makeLease(start)), lease))
	lease.Spec.RenewTime = &metav1.MicroTime{Time: start.Add(time.Minute)}
	c.must(c.w.client.Update(c.w.t.Context(), lease))
}

// replace puts another object of the same name in an object's place.
func (c change) replace(old, fresh client.Object) {
	c.must(c.w.client.Delete(c.w.t.Context(), old, client.GracePeriodSeconds(0), client.Preconditions{UID: ptr.To(old.GetUID())}))
	c.must(c.w.client.Create(c.w.t.Context(), fresh))
}

// TestLastLook: both kinds of release were decided of a dead node. What the API server says when they are to be written decides.
func TestLastLook(t *testing.T) {
	tests := map[string]struct {
		before func(change)                // after the decision, before the look
		during func(change, client.Object) // after each object was read in the look
		// wantErr is what each release ends in; nil: it is written. A pod's deletion may end in another error than the taint.
		wantErr, wantTaintErr error
	}{
		"as decided":        {},
		"Ready, and silent": {before: func(c change) { c.ready(corev1.ConditionTrue) }, wantTaintErr: errRefused},
		"beats, not Ready":  {before: func(c change) { c.beat() }, wantErr: errRefused, wantTaintErr: errRefused},
		"beats, Ready":      {before: func(c change) { c.beat(); c.ready(corev1.ConditionTrue) }, wantErr: errRefused, wantTaintErr: errRefused},
		"rebooted":          {before: func(c change) { c.boot() }, wantErr: errRefused, wantTaintErr: errRefused},
		"rebooted, beats":   {before: func(c change) { c.boot(); c.beat() }, wantErr: errRefused, wantTaintErr: errRefused},
		"no proof":          {before: func(c change) { c.record(noProof) }, wantErr: errRefused, wantTaintErr: errRefused},
		"proof of another boot": {
			before: func(c change) {
				c.record(func(nf *failurev1alpha1.NodeFailure) { nf.Status.Fence.Proof.BootID = "boot-0" })
			},
			wantErr: errRefused, wantTaintErr: errRefused,
		},
		"the pod is not recorded": {
			before:  func(c change) { c.record(func(nf *failurev1alpha1.NodeFailure) { nf.Status.VMs = nil }) },
			wantErr: errRefused,
		},
		"the pod is held back": {
			before: func(c change) {
				c.record(func(nf *failurev1alpha1.NodeFailure) { nf.Status.VMs[0].State = failurev1alpha1.VMHeld })
			},
			wantErr: errRefused, wantTaintErr: errRefused,
		},
		"another Node": {
			before: func(c change) {
				fresh := makeNode(corev1.ConditionUnknown)
				fresh.UID = "node-2"
				c.replace(c.w.node(), fresh)
			},
			wantErr: errRefused, wantTaintErr: errRefused,
		},
		"another NodeFailure": {
			before: func(c change) {
				fresh := releasing()
				fresh.UID = "nf-2"
				c.replace(c.nf.DeepCopy(), fresh)
			},
			wantErr: errRefused, wantTaintErr: errRefused,
		},
		"the lead is lost": {
			before:  func(c change) { c.w.stop() },
			wantErr: election.ErrNotLeading, wantTaintErr: election.ErrNotLeading,
		},
		"the lead is lost during the look": {
			during: func(c change, o client.Object) {
				if _, ok := o.(*corev1.Node); ok {
					c.w.stop()
				}
			},
			wantErr: election.ErrNotLeading, wantTaintErr: election.ErrNotLeading,
		},
		"beats, and the watch tells of the Lease before": {
			before: func(c change) { c.beat() },
			during: func(c change, o client.Object) {
				if _, ok := o.(*corev1.Node); ok {
					c.w.r.Tracker.Seen(nodeName, observe.Fingerprint(makeLease(start)))
				}
			},
			wantErr: errRefused, wantTaintErr: errRefused,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			releases := map[string]struct {
				effect failover.Effect
				write  string
				err    error
			}{
				"pod": {
					failover.Effect{Kind: failover.EffectDeletePod, Pod: failover.PodRef{Namespace: "ns", Name: "virt-launcher-a", UID: "pod-a"}},
					"delete *v1.Pod virt-launcher-a grace=0 uid=pod-a", tc.wantErr,
				},
				"taint": {
					failover.Effect{Kind: failover.EffectOutOfService},
					"patch *v1.Node node-1 taints=[node.kubernetes.io/out-of-service] locked=true", tc.wantTaintErr,
				},
			}
			for what, release := range releases {
				nf := releasing()
				w := newWorld(t, nf, makeNode(corev1.ConditionUnknown), makeLease(start), makeLauncher("a", "pod-a"))
				w.see(makeNode(corev1.ConditionUnknown), makeLease(start))
				c := change{w, nf}
				if tc.before != nil {
					tc.before(c)
				}
				if tc.during != nil {
					w.onGet = func(o client.Object) { tc.during(c, o) }
				}
				w.taken()
				err := w.r.applyOne(t.Context(), nf, release.effect, w.r.Policy(nodeName))
				if !errors.Is(err, release.err) {
					t.Errorf("%s: error %v, want %v", what, err, release.err)
				}
				var want []string
				if release.err == nil {
					want = []string{release.write}
				}
				if diff := cmp.Diff(want, w.taken()); diff != "" {
					t.Errorf("%s: writes (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}

func noProof(nf *failurev1alpha1.NodeFailure) { nf.Status.Fence.Proof = nil }

// A Node that changes between the last look and the taint: the look counts for nothing.
func TestOutOfServiceOfTheNodeThatWasSeen(t *testing.T) {
	nf := releasing()
	w := newWorld(t, nf, makeNode(corev1.ConditionUnknown), makeLease(start))
	w.fail = func(string) error {
		change{w, nf}.ready(corev1.ConditionTrue)
		return nil
	}
	err := w.r.applyOne(t.Context(), nf, failover.Effect{Kind: failover.EffectOutOfService}, w.r.Policy(nodeName))
	if !apierrors.IsConflict(err) {
		t.Errorf("error %v, want a conflict", err)
	}
	if taints := w.node().Spec.Taints; len(taints) > 0 {
		t.Errorf("taints %v, want none", taints)
	}
}

// The volumes of a dead node are let go by the out-of-service taint, under the resourceVersion of a Node that was not Ready, once the pods are
// gone; and the taint goes with the last volume.
func TestVolumesAreReleased(t *testing.T) {
	w := deadNode(t, corev1.ConditionTrue)
	attachment := &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: "va"},
		Spec:       storagev1.VolumeAttachmentSpec{NodeName: nodeName, Attacher: "csi"},
	}
	other := attachment.DeepCopy()
	other.Name, other.Spec.NodeName = "other", "node-2"
	c := change{w: w}
	c.must(w.client.Create(t.Context(), attachment))
	c.must(w.client.Create(t.Context(), other))
	pass := func(seconds int) []string {
		t.Helper()
		w.taken()
		w.see(w.node(), makeLease(start))
		_, err := w.pass(seconds)
		c.must(err)
		return w.taken()
	}
	taints := func(writes []string) (taints []string) {
		for _, write := range writes {
			if strings.HasPrefix(write, "patch *v1.Node") {
				taints = append(taints, write)
			}
		}
		return taints
	}
	pass(25)
	for range 3 {
		if got := taints(pass(5)); len(got) > 0 {
			t.Fatalf("taints of a Ready node: %v", got)
		}
	}
	if got := w.failures()[0].Status.Phase; got != failurev1alpha1.PhaseRecovering {
		t.Fatalf("phase %s, want Recovering: the pods are gone", got)
	}
	c.ready(corev1.ConditionUnknown)
	want := []string{"patch *v1.Node node-1 taints=[virt-scheduler.io/node-failure node.kubernetes.io/out-of-service] locked=true"}
	if diff := cmp.Diff(want, taints(pass(5))); diff != "" {
		t.Errorf("taints of the node that is not Ready (-want +got):\n%s", diff)
	}
	if got := taints(pass(5)); len(got) > 0 {
		t.Errorf("taints while the volume is there: %v, want none", got)
	}
	c.must(w.client.Delete(t.Context(), attachment, client.GracePeriodSeconds(0), client.Preconditions{UID: ptr.To(attachment.UID)}))
	want = []string{"patch *v1.Node node-1 taints=[virt-scheduler.io/node-failure] locked=true"}
	if diff := cmp.Diff(want, taints(pass(5))); diff != "" {
		t.Errorf("taints with no volume left (-want +got):\n%s", diff)
	}
}
