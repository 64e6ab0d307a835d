// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

// A taint of ours whose NodeFailure was deleted goes from a node that lives, and from no other.
func TestOrphanedTaint(t *testing.T) {
	const incident = "0123abcd"
	record := &failurev1alpha1.NodeFailure{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName + "-" + incident},
		Spec:       failurev1alpha1.NodeFailureSpec{NodeName: nodeName, NodeUID: nodeUID, BootID: bootID, Incident: incident},
		Status:     failurev1alpha1.NodeFailureStatus{Phase: failurev1alpha1.PhaseClosed},
	}
	tests := map[string]struct {
		ready    corev1.ConditionStatus
		silent   bool
		objects  []client.Object
		wantKept bool
	}{
		"the node lives":               {ready: corev1.ConditionTrue, wantKept: false},
		"the record is there":          {ready: corev1.ConditionTrue, objects: []client.Object{record}, wantKept: true},
		"the node is not Ready":        {ready: corev1.ConditionFalse, wantKept: true},
		"the node's Lease is not seen": {ready: corev1.ConditionTrue, silent: true, wantKept: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			node := makeNode(tc.ready)
			node.Spec.Taints = []corev1.Taint{{Key: failurev1alpha1.TaintKey, Value: incident, Effect: corev1.TaintEffectNoSchedule}}
			lease := makeLease(start)
			w := newWorld(t, append(tc.objects, node, lease)...)
			w.see(node, lease)
			seconds := 1
			if tc.silent {
				seconds = int((30 * time.Second).Seconds())
			}
			if _, err := w.pass(seconds); err != nil {
				t.Fatal(err)
			}
			now := &corev1.Node{}
			if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(node), now); err != nil {
				t.Fatal(err)
			}
			// A node that shows no life gets another incident, whose taint takes the place of the old one.
			if got := observe.TaintValue(now); (got != "") != tc.wantKept {
				t.Errorf("taint %q, want one: %v", got, tc.wantKept)
			}
		})
	}
}
