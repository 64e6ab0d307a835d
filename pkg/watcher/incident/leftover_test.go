// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

// A pod on another node than the failed one is deleted only when it is recorded as released leftover and its kubelet says that it has
// ended, looked at once more right before.
func TestDeletePodOfAnotherNode(t *testing.T) {
	at := metav1.NewMicroTime(start)
	released := &failurev1alpha1.LeftoverPod{Name: "source", UID: "source-uid", Node: "node-2", SeenAt: at, ReleasedAt: &at}
	seen := released.DeepCopy()
	seen.ReleasedAt = nil
	terminated := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	tests := map[string]struct {
		leftover    *failurev1alpha1.LeftoverPod
		phase       corev1.PodPhase
		state       corev1.ContainerState
		wantRefused bool
	}{
		"recorded, released, ended": {released, corev1.PodSucceeded, terminated, false},
		"recorded, not released":    {seen, corev1.PodSucceeded, terminated, true},
		"not recorded":              {nil, corev1.PodSucceeded, terminated, true},
		"runs":                      {released, corev1.PodRunning, running, true},
		"failed by another's word":  {released, corev1.PodFailed, running, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			nf := &failurev1alpha1.NodeFailure{
				ObjectMeta: metav1.ObjectMeta{Name: nodeName + "-0123abcd", UID: "nf"},
				Spec:       failurev1alpha1.NodeFailureSpec{NodeName: nodeName, NodeUID: nodeUID, BootID: bootID, Incident: "0123abcd"},
				Status: failurev1alpha1.NodeFailureStatus{
					Phase: failurev1alpha1.PhaseRecovering, Recorded: true,
					Fence: &failurev1alpha1.Fence{Proof: &failurev1alpha1.Proof{NodeUID: nodeUID, BootID: bootID}},
					VMs:   []failurev1alpha1.VMRecord{{Namespace: "ns", Name: "a", PodUID: "target-uid", Leftover: tc.leftover}},
				},
			}
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "source", UID: "source-uid"},
				Spec:       corev1.PodSpec{NodeName: "node-2", Containers: []corev1.Container{{Name: "compute"}}},
				Status:     corev1.PodStatus{Phase: tc.phase, ContainerStatuses: []corev1.ContainerStatus{{Name: "compute", State: tc.state}}},
			}
			w := newWorld(t, nf, pod)
			err := w.r.deletePod(t.Context(), nf, failover.Effect{
				Kind: failover.EffectDeletePod, Pod: failover.PodRef{Namespace: "ns", Name: "source", UID: "source-uid"},
			})
			if errors.Is(err, errRefused) != tc.wantRefused || (err != nil) != tc.wantRefused {
				t.Errorf("deletePod() = %v, want refused: %v", err, tc.wantRefused)
			}
			if got := len(w.writes) == 1; got == tc.wantRefused {
				t.Errorf("writes %v, want a deletion: %v", w.writes, !tc.wantRefused)
			}
		})
	}
}
