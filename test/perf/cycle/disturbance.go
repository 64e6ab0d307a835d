// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// disturbed: every so manieth of the VMs that are there is being migrated, up to the number that a scenario asks for.
const disturbed = 10

var failures = failurev1alpha1.GroupVersion.WithResource("nodefailures")

// disturb makes what is not as usual in a cluster that is populated: VMs that are being migrated, to some host away from theirs, and hosts
// that were proved to be off. The same VMs move in clusters of any size.
func (s scenario) disturb(api *simapi.API) {
	for i := range s.moving {
		source, ok := api.Pod(metav1.NamespaceDefault, nameOf(residentSeries, i*disturbed))
		if !ok {
			break
		}
		pod := target(source, nameOf("moving", i))
		pod.Spec.NodeName = hostName((i*7 + s.nodes/2) % s.nodes)
		pod.Status.Phase = corev1.PodRunning
		api.SetPod(pod)
	}
	if s.off == 0 {
		return
	}
	api.Serve(failures, "NodeFailure")
	for i := range s.off {
		name := hostName(i)
		f := &failurev1alpha1.NodeFailure{
			TypeMeta:   metav1.TypeMeta{APIVersion: failurev1alpha1.GroupVersion.String(), Kind: "NodeFailure"},
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("failure-" + name)},
		}
		f.Spec.NodeName = name
		f.Status.Fence = &failurev1alpha1.Fence{Proof: &failurev1alpha1.Proof{Kind: failurev1alpha1.ProofPoweredOff}}
		api.SetCustom(failures, f)
	}
}
