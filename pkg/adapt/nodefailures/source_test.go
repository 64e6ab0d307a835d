// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package nodefailures

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2/ktesting"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

var resource = simapi.Resource{GroupVersion: failurev1alpha1.GroupVersion, Plural: "nodefailures", Kind: "NodeFailure"}

func failure(name, node string, phase failurev1alpha1.Phase) *failurev1alpha1.NodeFailure {
	f := &failurev1alpha1.NodeFailure{}
	f.Name = name
	f.Spec.NodeName = node
	f.Status.Phase = phase
	return f
}

func TestSource(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := simapi.New(t, resource)
	api.Set(failure("first", "a", failurev1alpha1.PhaseFencing))
	source, err := Start(ctx, api.Config())
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan string, 100)
	source.Subscribe(func(node string) { changed <- node })
	if source.Failed("a") {
		t.Fatal("something is known before the CRD is installed")
	}
	eventually := func(what, node string, want bool) {
		t.Helper()
		err := wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, 30*time.Second, true,
			func(context.Context) (bool, error) { return source.Failed(node) == want, nil })
		if err != nil {
			t.Fatalf("%s: Failed(%q) = %t, want %t", what, node, !want, want)
		}
	}
	api.Install()
	eventually("the CRD is installed", "a", true)
	api.Set(failure("second", "a", ""))
	api.Set(failure("of another", "b", failurev1alpha1.PhaseSuspect))
	eventually("an incident without a phase is open", "b", true)
	api.Set(failure("first", "a", failurev1alpha1.PhaseClosed))
	api.Set(failure("of another", "b", failurev1alpha1.PhaseClosed))
	eventually("closed", "b", false)
	if !source.Failed("a") {
		t.Error("of two incidents one is open still, but the node is not taken for failed")
	}
	api.Delete("second")
	eventually("deleted while open", "a", false)
	proven := failure("proved", "c", failurev1alpha1.PhaseFencing)
	api.Set(proven)
	eventually("one more", "c", true)
	if source.Proved("c") {
		t.Error("proved before there is a proof")
	}
	proven = failure("proved", "c", failurev1alpha1.PhaseFenced)
	proven.Status.Fence = &failurev1alpha1.Fence{Proof: &failurev1alpha1.Proof{Kind: failurev1alpha1.ProofAlreadyOff}}
	api.Set(proven)
	var told []string
	for range 6 { // it is told after the answer has changed
		select {
		case node := <-changed:
			told = append(told, node)
		case <-time.After(30 * time.Second):
			t.Fatalf("told of %v, and then no more", told)
		}
	}
	if !source.Proved("c") || source.Proved("a") {
		t.Errorf("proved: c %t, a %t, want c alone", source.Proved("c"), source.Proved("a"))
	}
	api.Delete("proved")
	eventually("the proved one is deleted", "c", false)
	if source.Proved("c") {
		t.Error("proved after its deletion")
	}
	if diff := cmp.Diff([]string{"a", "b", "b", "a", "c", "c"}, told); diff != "" {
		t.Errorf("nodes of which was told that they failed, or no longer (-want +got):\n%s", diff)
	}
	source.mu.RLock()
	defer source.mu.RUnlock()
	if len(source.open) != 0 {
		t.Errorf("still kept: %v", source.open)
	}
}

func TestSourceWithoutClientConfiguration(t *testing.T) {
	source, err := Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if source.Failed("a") {
		t.Error("something is known without a client")
	}
}
