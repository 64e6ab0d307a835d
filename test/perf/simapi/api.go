// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

var vmiResource = kubevirtv1.GroupVersion.WithResource("virtualmachineinstances")

// API is the simulated API server. Its methods may be called at any time, by any goroutine.
type API struct {
	nodes, pods *collection
	client      *client
	custom      *customAPI

	mu       sync.Mutex
	ofCustom map[schema.GroupVersionResource]*collection
	evicting Evicting
}

// New returns an API server that holds namespace default, and on which KubeVirt is installed. Further objects of the kinds
// that client-go's fake knows, such as namespaces, PriorityClasses or PodDisruptionBudgets, may be given, or made
// later with Client. Nodes and pods are set with SetNode and SetPod.
func New(others ...runtime.Object) *API {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: metav1.NamespaceDefault, Labels: map[string]string{corev1.LabelMetadataName: metav1.NamespaceDefault},
	}}
	a := &API{
		nodes: newCollection(), pods: newCollection(), custom: &customAPI{},
		ofCustom: map[schema.GroupVersionResource]*collection{},
	}
	a.client = &client{Clientset: fake.NewClientset(append([]runtime.Object{namespace}, others...)...), api: a}
	a.Serve(vmiResource, "VirtualMachineInstance")
	return a
}

// Client returns a client of the API. Pods and nodes that it returns must not be changed.
func (a *API) Client() kubernetes.Interface { return a.client }

// RESTConfig returns a configuration for clients of the custom resources alone, as the scheduler's plugins make them.
func (a *API) RESTConfig() *rest.Config { return a.custom.config() }

// Serve makes the API serve a custom resource, which has to be done once, before SetCustom and Start.
func (a *API) Serve(gvr schema.GroupVersionResource, kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ofCustom[gvr] = a.custom.serve(gvr, kind)
}

// SetNode creates or replaces a node.
func (a *API) SetNode(node *corev1.Node) {
	own := *node
	a.nodes.set(&own)
}

// Node returns a node as it now is, which must not be changed.
func (a *API) Node(name string) (*corev1.Node, bool) {
	if o, ok := a.nodes.get("", name); ok {
		return o.(*corev1.Node), true
	}
	return nil, false
}

// DeleteNode removes a node, if there is one of that name. Its pods stay.
func (a *API) DeleteNode(name string) { a.nodes.remove("", name) }

// SetPod creates or replaces a pod. One that has a node is placed there; one that has none waits for the scheduler. It panics when a
// pod would leave its node: no API server allows that, and the scheduler ends the process when it sees it.
func (a *API) SetPod(pod *corev1.Pod) {
	if before, ok := a.Pod(pod.Namespace, pod.Name); ok && before.UID == pod.UID && before.Spec.NodeName != "" && before.Spec.NodeName != pod.Spec.NodeName {
		panic(fmt.Sprintf("simulated API: pod %s/%s is on node %q and cannot go to %q", pod.Namespace, pod.Name, before.Spec.NodeName, pod.Spec.NodeName))
	}
	own := *pod
	a.pods.set(&own)
}

// Pod returns a pod as it now is, which must not be changed.
func (a *API) Pod(namespace, name string) (*corev1.Pod, bool) {
	if o, ok := a.pods.get(namespace, name); ok {
		return o.(*corev1.Pod), true
	}
	return nil, false
}

// Pods returns all pods, sorted by namespace and name. They must not be changed.
func (a *API) Pods() []*corev1.Pod {
	objects, _ := a.pods.list()
	all := make([]*corev1.Pod, 0, len(objects))
	for _, o := range objects {
		all = append(all, o.(*corev1.Pod))
	}
	return all
}

// DeletePod removes a pod at once, if there is one of that name.
func (a *API) DeletePod(namespace, name string) { a.pods.remove(namespace, name) }

// SetVMI creates or replaces a VirtualMachineInstance.
func (a *API) SetVMI(vmi *kubevirtv1.VirtualMachineInstance) {
	own := *vmi
	own.APIVersion, own.Kind = kubevirtv1.GroupVersion.String(), "VirtualMachineInstance"
	a.SetCustom(vmiResource, &own)
}

// DeleteVMI removes a VirtualMachineInstance, if there is one of that name.
func (a *API) DeleteVMI(namespace, name string) { a.DeleteCustom(vmiResource, namespace, name) }

// SetCustom creates or replaces an object of a resource that Serve has named. It must say its apiVersion and kind, and belongs
// to the API from now on.
func (a *API) SetCustom(gvr schema.GroupVersionResource, o interface {
	metav1.Object
	runtime.Object
},
) {
	a.collectionOf(gvr).set(o)
}

// Customs returns all objects of a resource that Serve has named, sorted by namespace and name. They must not be changed.
func (a *API) Customs(gvr schema.GroupVersionResource) []metav1.Object {
	objects, _ := a.collectionOf(gvr).list()
	all := make([]metav1.Object, len(objects))
	for i, o := range objects {
		all[i] = o
	}
	return all
}

// DeleteCustom removes an object of a resource that Serve has named, if there is one of that name.
func (a *API) DeleteCustom(gvr schema.GroupVersionResource, namespace, name string) {
	a.collectionOf(gvr).remove(namespace, name)
}

// collectionOf panics for a resource that is not served: that is a mistake in the test's program text.
func (a *API) collectionOf(gvr schema.GroupVersionResource) *collection {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.ofCustom[gvr]
	if !ok {
		panic(fmt.Sprintf("simulated API: resource %s is not served: call Serve first", gvr))
	}
	return c
}

// read says whether every informer has taken every change, though it may still be working on the last one.
func (a *API) read() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.ofCustom {
		if !c.read() {
			return false
		}
	}
	return a.nodes.read() && a.pods.read()
}

// Settle waits until all informers of the process have heard of all that has happened in the API, and all that they
// call has returned: until nothing is left to take, and no goroutine but the caller's can run.
func (a *API) Settle(ctx context.Context) error { return settle(ctx, a.read) }
