// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// Right after the API server was away all nodes may be Unknown to Kubernetes, because no kubelet could report: that opens nothing
// until they had the time to. NotReady by a kubelet's own word does at once.
func TestUnknownAfterSilence(t *testing.T) {
	tests := map[string]struct {
		ready corev1.ConditionStatus
		want  int
	}{
		"Unknown, by Kubernetes' word": {corev1.ConditionUnknown, 0},
		"False, by the kubelet's word": {corev1.ConditionFalse, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			node, lease := makeNode(tc.ready), makeLease(start)
			w := newWorld(t, node, lease)
			w.see(node, lease)
			if _, err := w.pass(1); err != nil {
				t.Fatal(err)
			}
			if got := len(w.failures()); got != tc.want {
				t.Errorf("%d incidents a second after the API server answered, want %d", got, tc.want)
			}
		})
	}
}
