// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

func TestSignPod(t *testing.T) {
	empty := makePod("pod").Obj()
	empty.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{}}
	nodes := makePod("pod").Obj()
	nodes.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}
	tests := map[string]struct {
		pod     *corev1.Pod
		want    []fwk.SignFragment
		refused bool
	}{
		"a pod without affinity is what its labels and namespace are": {
			pod:  makePod("pod").Label("app", "web").Namespace("shop").Obj(),
			want: []fwk.SignFragment{{Key: "v1.Pod.Labels", Value: map[string]string{"app": "web"}}, {Key: "v1.Pod.Namespace", Value: "shop"}},
		},
		"affinity to nodes is not ours": {
			pod: nodes, want: []fwk.SignFragment{{Key: "v1.Pod.Labels", Value: map[string]string(nil)}, {Key: "v1.Pod.Namespace", Value: "default"}},
		},
		"affinity":           {pod: makePod("pod").PrefersNear(1, term(zone, "app=web")).Obj(), refused: true},
		"anti-affinity":      {pod: makePod("pod").Anti(term(zone, "app=web")).Obj(), refused: true},
		"affinity of nobody": {pod: empty, refused: true},
		"a VM":               {pod: makeVM("vm").Obj(), refused: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, ignore := range []bool{false, true} {
				pl := &VMAffinity{ignorePreferred: ignore}
				got, status := pl.SignPod(t.Context(), tc.pod)
				if status.IsSuccess() == tc.refused {
					t.Errorf("status %v, want refused: %t", status, tc.refused)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("signature (-want +got):\n%s", diff)
				}
			}
		})
	}
}
