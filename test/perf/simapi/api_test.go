// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/klog/v2/ktesting"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

var things = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "things"}

func thing(name, value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"name": name}, "value": value,
	}}
}

func TestCustomResources(t *testing.T) {
	api := simapi.New()
	api.Serve(things, "Thing")
	api.SetCustom(things, thing("a", "1"))
	api.SetCustom(things, thing("b", "1"))
	client, err := dynamic.NewForConfig(api.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.Resource(things).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 2 || list.Items[1].GetName() != "b" || list.GetResourceVersion() != "2" {
		t.Fatalf("List() = %+v, %v", list, err)
	}
	w, err := client.Resource(things).Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	api.SetCustom(things, thing("a", "2"))
	api.DeleteCustom(things, "", "b")
	api.DeleteCustom(things, "", "nonesuch")
	api.SetCustom(things, thing("c", "1"))
	var got []string
	for range 3 {
		event := <-w.ResultChan()
		o, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			t.Fatalf("event %+v", event)
		}
		got = append(got, fmt.Sprint(event.Type, " ", o.GetName(), " ", o.Object["value"]))
	}
	if diff := cmp.Diff([]string{"MODIFIED a 2", "DELETED b 1", "ADDED c 1"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	found, err := discovery.NewDiscoveryClientForConfig(api.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	if resources, err := found.ServerResourcesForGroupVersion("example.com/v1"); err != nil || len(resources.APIResources) != 1 || resources.APIResources[0].Kind != "Thing" {
		t.Errorf("discovery: %+v, %v", resources, err)
	}
	if _, err := found.ServerResourcesForGroupVersion("example.com/v2"); !apierrors.IsNotFound(err) {
		t.Errorf("discovery of what is not served: %v", err)
	}
}

func TestPodsAsTheyAreSeen(t *testing.T) {
	api := simapi.New()
	_, waiting := vm("waiting", "stock", "1", 1)
	_, running := vm("running", "stock", "1", 1)
	running.Spec.NodeName = "a"
	api.SetPod(waiting)
	api.SetPod(running)
	pods := api.Client().CoreV1().Pods(metav1.NamespaceAll)
	alive := metav1.ListOptions{FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"}
	list, err := pods.List(t.Context(), alive)
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("List() = %+v, %v", list, err)
	}
	alive.ResourceVersion = list.ResourceVersion
	w, err := pods.Watch(t.Context(), alive)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()

	own := api.Client().CoreV1().Pods(waiting.Namespace)
	bind := func(uid, node string) error {
		return own.Bind(t.Context(), &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: waiting.Name, UID: waiting.UID + types.UID(uid)}, Target: corev1.ObjectReference{Kind: "Node", Name: node},
		}, metav1.CreateOptions{})
	}
	if err := bind("another", "b"); !apierrors.IsConflict(err) {
		t.Errorf("binding another pod of that name: %v", err)
	}
	if err := bind("", "b"); err != nil {
		t.Fatal(err)
	}
	if err := bind("", "c"); !apierrors.IsConflict(err) {
		t.Errorf("binding it a second time: %v", err)
	}
	ended := running.DeepCopy()
	ended.Status.Phase = corev1.PodSucceeded
	api.SetPod(ended)
	api.DeletePod(ended.Namespace, ended.Name)
	if err := own.Delete(t.Context(), waiting.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := own.Delete(t.Context(), waiting.Name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("deleting it a second time: %v", err)
	}

	// To who does not want to see ended pods, one that ends is deleted, and its deletion is nothing.
	var got []string
	for range 3 {
		event := <-w.ResultChan()
		pod := event.Object.(*corev1.Pod)
		got = append(got, fmt.Sprint(event.Type, " ", pod.Name, " ", pod.Spec.NodeName))
	}
	want := []string{
		string(watch.Modified) + " waiting b", string(watch.Deleted) + " running a", string(watch.Deleted) + " waiting b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// Many changes at once do not get lost, though the API does not remember all of them for ever.
func TestManyChanges(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	api := simapi.New()
	api.SetNode(node("a", "1"))
	s := start(ctx, t, api)
	changing := node("b", "1")
	for range 40_000 {
		api.SetNode(changing)
	}
	api.SetNode(node("b", "8"))
	_, pod := vm("v", "stock", "4", 4)
	if outcome, err := s.Schedule(ctx, pod); err != nil || outcome.Node != "b" {
		t.Errorf("Schedule() = %+v, %v; want node b, which at last is large enough", outcome, err)
	}
	bound, _ := api.Pod(pod.Namespace, pod.Name)
	for range 20 { // nobody lags behind now, and the oldest are forgotten
		for range 1000 {
			api.SetPod(bound)
		}
		if err := s.Settle(ctx); err != nil {
			t.Fatal(err)
		}
	}
	pods := api.Client().CoreV1().Pods(metav1.NamespaceAll)
	if _, err := pods.Watch(t.Context(), metav1.ListOptions{ResourceVersion: "1"}); !apierrors.IsResourceExpired(err) {
		t.Errorf("a watch from long ago: %v", err)
	}
}

// Hosts that are all alike tie: with one of them looked at at a time, the choice is always the same.
func TestRunsAreTheSame(t *testing.T) {
	placed := func(percentage int32) (nodes []string) {
		_, ctx := ktesting.NewTestContext(t)
		api := simapi.New()
		for i := range 250 {
			api.SetNode(node(fmt.Sprintf("node-%03d", i), "8"))
		}
		s, err := api.Start(ctx, simapi.Config{
			Profiles: profiles(t), Registry: plugins.NewRegistry(), Parallelism: 1, PercentageOfNodesToScore: percentage,
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			profile := []string{"stock", "virt-scheduler", "virt-scheduler-high-node-utilization", "virt-scheduler-no-scoring"}[i%4]
			vmi, pod := vm(fmt.Sprintf("v-%d", i), profile, "100m", 1)
			api.SetVMI(vmi)
			outcome, err := s.Schedule(ctx, pod)
			if err != nil || !outcome.Bound() {
				t.Fatalf("%+v, %v", outcome, err)
			}
			nodes = append(nodes, outcome.Node)
		}
		return nodes
	}
	for _, percentage := range []int32{0, 100} {
		if diff := cmp.Diff(placed(percentage), placed(percentage)); diff != "" {
			t.Errorf("percentageOfNodesToScore %d (-first run +second run):\n%s", percentage, diff)
		}
	}
}
