// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/gentype"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch"
)

var migrationsAPI = crdwatch.Resource{
	GroupVersion: kubevirtv1.GroupVersion, Plural: "virtualmachineinstancemigrations", Kind: "VirtualMachineInstanceMigrations",
	Without:     "no VM is moved to make room",
	AddToScheme: kubevirtv1.AddToScheme, Object: &migrationObject{},
}

// outside is what a Tracker reads and does beyond its own memory.
type outside interface {
	create(ctx context.Context, m *migrationObject) (types.UID, error)
	get(ctx context.Context, name types.NamespacedName) (*migration, error)
	// remove deletes a migration, and no other of the same name.
	remove(ctx context.Context, name types.NamespacedName, uid types.UID) error
	// look returns what has become of a preemptor, and the node that it is nominated to.
	look(p preemptor) (presence, string)
	// unnominate clears the nomination of a preemptor, if it names this node.
	unnominate(ctx context.Context, p preemptor, node string) error
	// activate makes the scheduler try a preemptor again.
	activate(ctx context.Context, p preemptor)
	// hostOf returns the node of a pod, "" if that is not known.
	hostOf(pod types.NamespacedName) string
	// tell emits an event about an object.
	tell(about, related *corev1.ObjectReference, eventType, reason, note string)
}

// cluster is what is outside of a Tracker: the API, and the scheduler that it belongs to.
type cluster struct {
	handle     fwk.Handle
	pods       corelisters.PodLister
	podsSynced cache.InformerSynced
	client     rest.Interface
	codec      runtime.ParameterCodec
}

func newCluster(handle fwk.Handle, podsSynced cache.InformerSynced) (*cluster, error) {
	c := &cluster{handle: handle, pods: handle.SharedInformerFactory().Core().V1().Pods().Lister(), podsSynced: podsSynced}
	if handle.KubeConfig() == nil {
		return c, nil
	}
	scheme := runtime.NewScheme()
	if err := kubevirtv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	c.codec = runtime.NewParameterCodec(scheme)
	client, err := crdwatch.NewClient(handle.KubeConfig(), migrationsAPI)
	if err != nil {
		return nil, err
	}
	c.client = client
	return c, nil
}

func (c *cluster) migrations(namespace string) *gentype.Client[*migrationObject] {
	return gentype.NewClient(migrationsAPI.Plural, c.client, c.codec, namespace, func() *migrationObject {
		return &migrationObject{}
	})
}

func (c *cluster) create(ctx context.Context, m *migrationObject) (types.UID, error) {
	made, err := c.migrations(m.Namespace).Create(ctx, m, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return made.UID, nil
}

func (c *cluster) get(ctx context.Context, name types.NamespacedName) (*migration, error) {
	m, err := c.migrations(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return stripped(m), nil
}

func (c *cluster) remove(ctx context.Context, name types.NamespacedName, uid types.UID) error {
	return c.migrations(name.Namespace).Delete(ctx, name.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(uid))})
}

func (c *cluster) pod(p preemptor) *corev1.Pod {
	pod, err := c.pods.Pods(p.Namespace).Get(p.Name)
	if err != nil || pod.UID != p.uid {
		return nil // a lister's only error is that there is none
	}
	return pod
}

func (c *cluster) look(p preemptor) (presence, string) {
	if !c.podsSynced() {
		return unknown, ""
	}
	pod := c.pod(p)
	switch {
	case pod == nil, pod.DeletionTimestamp != nil, pod.Status.Phase == corev1.PodSucceeded, pod.Status.Phase == corev1.PodFailed:
		return gone, ""
	case pod.Spec.NodeName != "":
		return placed, ""
	}
	return waiting, pod.Status.NominatedNodeName
}

// unnominate does what upstream does for those that a preemptor drives away, with one condition more: that the pod is as we saw it. A nomination to
// another node, made a moment ago, must not go with it.
func (c *cluster) unnominate(ctx context.Context, p preemptor, node string) error {
	pod := c.pod(p)
	if pod == nil || pod.Status.NominatedNodeName != node {
		return nil
	}
	if cacher := c.handle.APICacher(); cacher != nil {
		_, err := cacher.PatchPodStatus(pod, nil, &fwk.NominatingInfo{NominatingMode: fwk.ModeOverride})
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID, "resourceVersion": pod.ResourceVersion},
		"status":   map[string]any{"nominatedNodeName": nil},
	})
	if err != nil {
		return err
	}
	_, err = c.handle.ClientSet().CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func (c *cluster) activate(ctx context.Context, p preemptor) {
	if pod := c.pod(p); pod != nil {
		c.handle.Activate(klog.FromContext(ctx), map[string]*corev1.Pod{p.String(): pod})
	}
}

func (c *cluster) hostOf(name types.NamespacedName) string {
	pod, err := c.pods.Pods(name.Namespace).Get(name.Name)
	if err != nil {
		return "" // it has ended, or was not seen yet
	}
	return pod.Spec.NodeName
}

func (c *cluster) tell(about, related *corev1.ObjectReference, eventType, reason, note string) {
	recorder := c.handle.EventRecorder()
	if recorder == nil {
		return // not a whole scheduler's handle
	}
	var other runtime.Object // not a pointer that is nil
	if related != nil {
		other = related
	}
	recorder.Eventf(about, other, eventType, reason, "Preempting", "%s", shortened(note))
}

// maxNote is the most that the API takes of an event's note, in bytes.
const maxNote = 1024

func shortened(note string) string {
	if len(note) < maxNote {
		return note
	}
	const more = " ..."
	return note[:maxNote-1-len(more)] + more
}

// reference is how events name a preemptor.
func (p preemptor) reference() *corev1.ObjectReference {
	return &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.uid}
}

// reference is how events name a VM.
func (g guest) reference() *corev1.ObjectReference {
	kind := kubevirtv1.VirtualMachineInstanceGroupVersionKind
	return &corev1.ObjectReference{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Namespace: g.Namespace, Name: g.Name, UID: g.uid}
}
