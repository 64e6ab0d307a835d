// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
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

// What a signature leaves out would be taken for equal: pods of one signature get the same answer for a host.
func TestSignaturesTellApartWhatExistingPodsTellApart(t *testing.T) {
	ctx := testContext(t)
	p := cluster{
		nodes: []*corev1.Node{makeNode("a").Obj()},
		pods:  []*corev1.Pod{makePod("there").Anti(term(hostname, "app=web").In("shop")).On("a").Obj()},
		args:  defaultArgs(t, func(a *config.VMAffinityArgs) { a.IgnorePreferredTermsOfExistingPods = true }),
	}.profile(ctx, t)
	web := p.SignPod(ctx, makePod("1").Label("app", "web").Namespace("shop").Obj(), false)
	for name, other := range map[string]podBuilder{
		"label":     makePod("2").Label("app", "db").Namespace("shop"),
		"namespace": makePod("3").Label("app", "web"),
	} {
		if signature := p.SignPod(ctx, other.Obj(), false); signature == nil || string(signature) == string(web) {
			t.Errorf("another %s: signature %s, want another than %s", name, signature, web)
		}
	}
	if equal := p.SignPod(ctx, makePod("4").Label("app", "web").Namespace("shop").Obj(), false); string(equal) != string(web) {
		t.Errorf("an equal pod: signature %s, want %s", equal, web)
	}
}
