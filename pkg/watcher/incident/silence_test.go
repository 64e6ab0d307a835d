// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Kubernetes concludes Unknown from the Lease too, and after an outage of the API server it does so of nodes whose Leases are renewed
// again: that opens nothing, however long it lasts. A kubelet's own word does at once, and so does Unknown of a Lease that stays silent.
func TestUnknownAfterOutage(t *testing.T) {
	tests := map[string]struct {
		ready  corev1.ConditionStatus
		renews bool
		after  time.Duration
		want   int
	}{
		"Unknown, by Kubernetes' word, right after": {corev1.ConditionUnknown, true, 0, 0},
		"Unknown, renewed all the while":            {corev1.ConditionUnknown, true, 2 * time.Minute, 0},
		"Unknown, silent for long":                  {corev1.ConditionUnknown, false, 26 * time.Second, 1},
		"False, by the kubelet's word":              {corev1.ConditionFalse, true, 0, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			node, lease := makeNode(tc.ready), makeLease(start)
			w := newWorld(t, node, lease)
			w.see(node, lease)
			for passed := time.Duration(0); passed < tc.after; passed += 2 * time.Second {
				w.clock.Step(2 * time.Second)
				w.r.Tracker.Answered()
				if tc.renews {
					var renewed coordinationv1.Lease
					if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(lease), &renewed); err != nil {
						t.Fatal(err)
					}
					renewed.Spec.RenewTime = &metav1.MicroTime{Time: w.clock.Now()}
					if err := w.client.Update(t.Context(), &renewed); err != nil {
						t.Fatal(err)
					}
					w.see(node, &renewed)
				}
			}
			if _, err := w.pass(1); err != nil {
				t.Fatal(err)
			}
			if got := len(w.failures()); got != tc.want {
				t.Errorf("%d incidents %s after the API server answered, want %d", got, tc.after, tc.want)
			}
		})
	}
}
