// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/story/plot"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

const (
	// namespace holds the story's VMs.
	namespace = "story"
	// provisioner is that of the simulated storage; its StorageClass is looked up by it.
	provisioner = "sim.csi.virt-scheduler.io"
	// subresources is where KubeVirt takes requests such as "start".
	subresources = "/apis/subresources.kubevirt.io/v1"
)

// world is the cluster as an administrator sees it.
type world struct {
	client client.Client
	kube   kubernetes.Interface
}

func newWorld(config *rest.Config) (*world, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientscheme.AddToScheme, kubevirtv1.AddToScheme, failurev1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("client of the cluster: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client of the cluster: %w", err)
	}
	return &world{client: c, kube: kube}, nil
}

// storageClass returns the name of the StorageClass of the simulated storage, empty when there is none.
func (w *world) storageClass(ctx context.Context) (string, error) {
	var classes storagev1.StorageClassList
	if err := w.client.List(ctx, &classes); err != nil {
		return "", fmt.Errorf("list StorageClasses: %w", err)
	}
	for _, class := range classes.Items {
		if class.Provisioner == provisioner {
			return class.Name, nil
		}
	}
	return "", nil
}

// view reads everything that the story shows of VMs and nodes.
func (w *world) view(ctx context.Context) (plot.View, error) {
	var vms kubevirtv1.VirtualMachineList
	var vmis kubevirtv1.VirtualMachineInstanceList
	var pods corev1.PodList
	var nodes corev1.NodeList
	ours := client.InNamespace(namespace)
	for _, read := range []struct {
		list client.ObjectList
		opts []client.ListOption
	}{
		{&vms, []client.ListOption{ours}},
		{&vmis, []client.ListOption{ours}},
		{&pods, []client.ListOption{ours, client.MatchingLabels{kubevirtv1.AppLabel: "virt-launcher"}}},
		{&nodes, nil},
	} {
		if err := w.client.List(ctx, read.list, read.opts...); err != nil {
			return plot.View{}, fmt.Errorf("list %T: %w", read.list, err)
		}
	}
	return plot.ViewOf(vms.Items, vmis.Items, pods.Items, nodes.Items), nil
}

// phases reads the phases of the VMIs, by name.
func (w *world) phases(ctx context.Context) (map[string]kubevirtv1.VirtualMachineInstancePhase, error) {
	var vmis kubevirtv1.VirtualMachineInstanceList
	if err := w.client.List(ctx, &vmis, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list VirtualMachineInstances: %w", err)
	}
	phases := map[string]kubevirtv1.VirtualMachineInstancePhase{}
	for i := range vmis.Items {
		phases[vmis.Items[i].Name] = vmis.Items[i].Status.Phase
	}
	return phases, nil
}

func (w *world) node(ctx context.Context, name string) (plot.NodeSight, error) {
	var node corev1.Node
	if err := w.client.Get(ctx, client.ObjectKey{Name: name}, &node); err != nil {
		return plot.NodeSight{}, fmt.Errorf("get node %s: %w", name, err)
	}
	return plot.ViewOf(nil, nil, nil, []corev1.Node{node}).Nodes[name], nil
}

// records returns the NodeFailures made since, oldest first.
func (w *world) records(ctx context.Context, since time.Time) ([]failurev1alpha1.NodeFailure, error) {
	var list failurev1alpha1.NodeFailureList
	if err := w.client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list NodeFailures: %w", err)
	}
	ours := slices.DeleteFunc(list.Items, func(nf failurev1alpha1.NodeFailure) bool {
		return nf.CreationTimestamp.Time.Before(since.Truncate(time.Second)) // creation times are whole seconds
	})
	slices.SortStableFunc(ours, func(a, b failurev1alpha1.NodeFailure) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	return ours, nil
}

// events returns the failure-watcher's events: those about nodes and its own records, and those about VMs.
func (w *world) events(ctx context.Context) ([]corev1.Event, error) {
	var events []corev1.Event
	for _, ns := range []string{metav1.NamespaceDefault, namespace} {
		list, err := w.kube.CoreV1().Events(ns).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return nil, fmt.Errorf("list events in %s: %w", ns, err)
		}
		events = append(events, list.Items...)
	}
	return slices.DeleteFunc(events, func(e corev1.Event) bool {
		return e.ReportingController != watcher && e.Source.Component != watcher
	}), nil
}

// start asks KubeVirt to start a VM, as `virtctl start` does.
func (w *world) start(ctx context.Context, name string) error {
	return w.kube.CoreV1().RESTClient().Put().
		AbsPath(subresources, "namespaces", namespace, "virtualmachines", name, "start").
		Body([]byte("{}")).SetHeader("Content-Type", "application/json").
		Do(ctx).Error()
}
