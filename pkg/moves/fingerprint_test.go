// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// hostWith returns a host as the scheduler's snapshot has it, with pods.
func hostWith(name string, pods ...string) *framework.NodeInfo {
	info := framework.NewNodeInfo()
	for _, p := range pods {
		info.AddPod(pod(p))
	}
	info.SetNode(&corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid", Labels: map[string]string{"a": "b", "c": "d"}},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}},
		Status:     corev1.NodeStatus{Allocatable: corev1.ResourceList{"memory": resource.MustParse("1Gi"), "cpu": resource.MustParse("4")}},
	})
	return info
}

func TestFingerprint(t *testing.T) {
	tests := map[string]struct {
		change func(*corev1.Node)
		pods   []string
		want   bool // that it differs
	}{
		"nothing":          {change: func(*corev1.Node) {}},
		"pods, in order":   {change: func(*corev1.Node) {}, pods: []string{"y", "x"}},
		"a heartbeat":      {change: func(n *corev1.Node) { n.Annotations = map[string]string{"kubevirt.io/heartbeat": "now"} }},
		"a condition":      {change: func(n *corev1.Node) { n.Status.Conditions = []corev1.NodeCondition{{Type: "Ready"}} }},
		"another node":     {change: func(n *corev1.Node) { n.UID = "another" }, want: true},
		"cordoned":         {change: func(n *corev1.Node) { n.Spec.Unschedulable = true }, want: true},
		"a label":          {change: func(n *corev1.Node) { n.Labels["a"] = "e" }, want: true},
		"labels exchanged": {change: func(n *corev1.Node) { n.Labels["a"], n.Labels["c"] = "d", "b" }, want: true},
		"a taint":          {change: func(n *corev1.Node) { n.Spec.Taints[0].Effect = corev1.TaintEffectNoExecute }, want: true},
		"no taint":         {change: func(n *corev1.Node) { n.Spec.Taints = nil }, want: true},
		"more memory":      {change: func(n *corev1.Node) { n.Status.Allocatable["memory"] = resource.MustParse("2Gi") }, want: true},
		"a pod came":       {change: func(*corev1.Node) {}, pods: []string{"x", "y", "z"}, want: true},
		"a pod went":       {change: func(*corev1.Node) {}, pods: []string{"x"}, want: true},
		"another pod":      {change: func(*corev1.Node) {}, pods: []string{"x", "z"}, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.pods == nil {
				tc.pods = []string{"x", "y"}
			}
			other := hostWith("n", tc.pods...)
			node := other.Node().DeepCopy()
			tc.change(node)
			other.SetNode(node)
			if got := fingerprint(hostWith("n", "x", "y")) != fingerprint(other); got != tc.want {
				t.Errorf("differs: %t, want %t", got, tc.want)
			}
		})
	}
}
