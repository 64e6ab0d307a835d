// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// client is a client of the simulated API: pods and nodes, of which there are many and which change all the time, come
// from its collections; everything else comes from client-go's fake, which copies all that it is given and gives.
type client struct {
	*fake.Clientset
	api *API
}

var _ kubernetes.Interface = &client{}

func (c *client) CoreV1() typedv1.CoreV1Interface {
	return &coreV1{CoreV1Interface: c.Clientset.CoreV1(), api: c.api}
}

type coreV1 struct {
	typedv1.CoreV1Interface
	api *API
}

func (c *coreV1) Pods(namespace string) typedv1.PodInterface {
	return &pods{PodInterface: c.CoreV1Interface.Pods(namespace), api: c.api, namespace: namespace}
}

func (c *coreV1) Nodes() typedv1.NodeInterface {
	return &nodes{NodeInterface: c.CoreV1Interface.Nodes(), api: c.api}
}

type nodes struct {
	typedv1.NodeInterface
	api *API
}

func (n *nodes) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Node, error) {
	if o, ok := n.api.nodes.get("", name); ok {
		return o.(*corev1.Node), nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
}

func (n *nodes) List(context.Context, metav1.ListOptions) (*corev1.NodeList, error) {
	objects, version := n.api.nodes.list()
	list := &corev1.NodeList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(version)}, Items: make([]corev1.Node, 0, len(objects))}
	for _, o := range objects {
		list.Items = append(list.Items, *o.(*corev1.Node))
	}
	return list, nil
}

func (n *nodes) Watch(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return watchCollection(n.api.nodes, options.ResourceVersion, func(object) bool { return true })
}

type pods struct {
	typedv1.PodInterface
	api       *API
	namespace string
}

func (p *pods) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Pod, error) {
	if o, ok := p.api.pods.get(p.namespace, name); ok {
		return o.(*corev1.Pod), nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("pods"), name)
}

func (p *pods) List(_ context.Context, options metav1.ListOptions) (*corev1.PodList, error) {
	selects, err := p.selects(options)
	if err != nil {
		return nil, err
	}
	objects, version := p.api.pods.list()
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(version)}, Items: make([]corev1.Pod, 0, len(objects))}
	for _, o := range objects {
		if selects(o) {
			list.Items = append(list.Items, *o.(*corev1.Pod))
		}
	}
	return list, nil
}

func (p *pods) Watch(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
	selects, err := p.selects(options)
	if err != nil {
		return nil, err
	}
	return watchCollection(p.api.pods, options.ResourceVersion, selects)
}

// selects makes a predicate of the options; of labels the scheduler's readers of pods select nothing.
func (p *pods) selects(options metav1.ListOptions) (func(object) bool, error) {
	if options.LabelSelector != "" {
		return nil, fmt.Errorf("simulated API: pods cannot be selected by labels (%q)", options.LabelSelector)
	}
	selector, err := fields.ParseSelector(options.FieldSelector)
	if err != nil {
		return nil, err
	}
	return func(o object) bool {
		pod, ok := o.(*corev1.Pod)
		return ok && (p.namespace == "" || pod.Namespace == p.namespace) && selector.Matches(podFields{pod})
	}, nil
}

// podFields are the fields by which pods can be selected.
type podFields struct{ pod *corev1.Pod }

func (f podFields) Has(field string) bool { return f.Get(field) != "" }

func (f podFields) Get(field string) string {
	switch field {
	case "metadata.name":
		return f.pod.Name
	case "metadata.namespace":
		return f.pod.Namespace
	case "spec.nodeName":
		return f.pod.Spec.NodeName
	case "spec.schedulerName":
		return f.pod.Spec.SchedulerName
	case "status.phase":
		return string(f.pod.Status.Phase)
	}
	return ""
}

// Bind answers as soon as the pod has its node; the informers hear of it as of any other change.
func (p *pods) Bind(_ context.Context, binding *corev1.Binding, _ metav1.CreateOptions) error {
	_, err := p.api.pods.update(p.namespace, binding.Name, func(o object) (object, error) {
		before := o.(*corev1.Pod)
		if before.Spec.NodeName != "" || (binding.UID != "" && binding.UID != before.UID) {
			return nil, apierrors.NewConflict(corev1.Resource("pods/binding"), binding.Name,
				fmt.Errorf("pod %s is on node %q and has UID %s", binding.Name, before.Spec.NodeName, before.UID))
		}
		after := *before // what is below is shared: nobody changes it
		after.Spec.NodeName = binding.Target.Name
		after.Status.NominatedNodeName = ""
		after.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
		return &after, nil
	})
	return err
}

func (p *pods) Patch(_ context.Context, name string, kind types.PatchType, data []byte, _ metav1.PatchOptions, subresources ...string) (*corev1.Pod, error) {
	if kind != types.StrategicMergePatchType {
		return nil, fmt.Errorf("simulated API: pods%v cannot be patched by %s", subresources, kind)
	}
	after, err := p.api.pods.update(p.namespace, name, func(o object) (object, error) {
		before, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		merged, err := strategicpatch.StrategicMergePatch(before, data, &corev1.Pod{})
		if err != nil {
			return nil, err
		}
		pod := &corev1.Pod{}
		return pod, json.Unmarshal(merged, pod)
	})
	if err != nil {
		return nil, err
	}
	return after.(*corev1.Pod), nil
}

// Delete removes the pod at once: there is no kubelet for which it would have to wait.
func (p *pods) Delete(_ context.Context, name string, _ metav1.DeleteOptions) error {
	if !p.api.pods.remove(p.namespace, name) {
		return apierrors.NewNotFound(corev1.Resource("pods"), name)
	}
	return nil
}
