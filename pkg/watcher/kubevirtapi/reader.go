// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubevirtapi reads, by quorum reads, the launcher pods of a node and what KubeVirt's API says about the VMs behind them,
// and turns it into the views of pkg/decide/failover. It writes nothing and decides nothing.
package kubevirtapi

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

// LauncherLabel is the value of the label kubevirt.io of launcher pods.
const LauncherLabel = "virt-launcher"

// getAtMost is how many objects of one namespace are read one by one; for more the namespace is listed.
const getAtMost = 50

// parallel bounds the reads under way at once for one node.
const parallel = 8

// Reader reads. Its client must not answer from a cache.
type Reader struct {
	client client.Reader
}

// NewReader returns a reader over a client without a cache.
func NewReader(c client.Reader) *Reader { return &Reader{client: c} }

// HasLaunchers says whether any launcher pod is bound to the node.
func (r *Reader) HasLaunchers(ctx context.Context, node string) (bool, error) {
	pods, err := r.launchers(ctx, node, 1)
	return len(pods) > 0, err
}

// Pods reads the node's launcher pods with their VMIs, VMs and migrations.
// Volume attachments are counted only when attachments is true, for they can't be selected by node.
func (r *Reader) Pods(ctx context.Context, node string, attachments bool) (failover.PodsView, error) {
	pods, err := r.launchers(ctx, node, 0)
	if err != nil {
		return failover.PodsView{}, err
	}
	names := make([]types.NamespacedName, 0, len(pods))
	for i := range pods {
		if name, ok := vmiOf(&pods[i]); ok {
			names = append(names, name)
		}
	}
	world, err := r.read(ctx, names)
	if err != nil {
		return failover.PodsView{}, err
	}
	view := failover.PodsView{Read: true}
	for i := range pods {
		view.Pods = append(view.Pods, world.pod(&pods[i], node))
	}
	if attachments {
		if view.VolumeAttachments, err = r.attachments(ctx, node); err != nil {
			return failover.PodsView{}, err
		}
	}
	return view, nil
}

// VMs reads what the named VMs and their VMIs are now, and for those in runOn the launcher pods as well. An object that does not
// exist is in the view with Exists false.
func (r *Reader) VMs(ctx context.Context, names, runOn []types.NamespacedName) (failover.VMsView, error) {
	world, err := r.read(ctx, names)
	if err != nil {
		return failover.VMsView{}, err
	}
	view := failover.VMsView{
		Read: true,
		VMIs: make(map[types.NamespacedName]failover.VMIView, len(names)),
		VMs:  make(map[types.NamespacedName]failover.VMView, len(names)),
	}
	for _, name := range names {
		view.VMIs[name] = world.vmi(name)
		view.VMs[name] = vmView(world.vms[name])
	}
	for _, name := range runOn {
		vmi := view.VMIs[name]
		if !vmi.Exists {
			continue
		}
		if vmi.Launchers, err = r.launchersOf(ctx, name.Namespace, vmi.UID); err != nil {
			return failover.VMsView{}, err
		}
		vmi.LaunchersRead = true
		view.VMIs[name] = vmi
	}
	return view, nil
}

// launchersOf reads the launcher pods of a VMI, wherever they are.
func (r *Reader) launchersOf(ctx context.Context, namespace string, vmi types.UID) ([]failover.LauncherView, error) {
	var pods corev1.PodList
	err := r.client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{
		kubevirtv1.AppLabel: LauncherLabel, kubevirtv1.CreatedByLabel: string(vmi),
	})
	if err != nil {
		return nil, fmt.Errorf("listing the launcher pods of VMI %s in namespace %s: %w", vmi, namespace, err)
	}
	views := make([]failover.LauncherView, 0, len(pods.Items))
	for i := range pods.Items {
		pod := &pods.Items[i]
		views = append(views, failover.LauncherView{Name: pod.Name, UID: pod.UID, Node: pod.Spec.NodeName, Ended: Ended(pod)})
	}
	return views, nil
}

// Ended says whether the pod is over, by a kubelet's word for each container. A phase alone may be a controller's word for a silent kubelet.
func Ended(pod *corev1.Pod) bool {
	if !finished(pod) || len(pod.Status.ContainerStatuses) < len(pod.Spec.Containers) {
		return false
	}
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].State.Terminated == nil {
			return false
		}
	}
	return len(pod.Status.ContainerStatuses) > 0
}

func (r *Reader) launchers(ctx context.Context, node string, limit int64) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := r.client.List(ctx, &pods, client.MatchingLabels{kubevirtv1.AppLabel: LauncherLabel},
		client.MatchingFields{"spec.nodeName": node}, client.Limit(limit))
	if err != nil {
		return nil, fmt.Errorf("listing the launcher pods of node %s: %w", node, err)
	}
	return pods.Items, nil
}

func (r *Reader) attachments(ctx context.Context, node string) (int, error) {
	var list storagev1.VolumeAttachmentList
	if err := r.client.List(ctx, &list); err != nil {
		return 0, fmt.Errorf("listing the volume attachments of node %s: %w", node, err)
	}
	n := 0
	for i := range list.Items {
		if list.Items[i].Spec.NodeName == node {
			n++
		}
	}
	return n, nil
}

// world is what was read of KubeVirt's objects in one pass.
type world struct {
	vmis       map[types.NamespacedName]*kubevirtv1.VirtualMachineInstance
	vms        map[types.NamespacedName]*kubevirtv1.VirtualMachine
	migrations map[types.NamespacedName][]*kubevirtv1.VirtualMachineInstanceMigration // by VMI
}

func (r *Reader) read(ctx context.Context, names []types.NamespacedName) (*world, error) {
	w := &world{
		vmis:       map[types.NamespacedName]*kubevirtv1.VirtualMachineInstance{},
		vms:        map[types.NamespacedName]*kubevirtv1.VirtualMachine{},
		migrations: map[types.NamespacedName][]*kubevirtv1.VirtualMachineInstanceMigration{},
	}
	byNamespace := map[string][]types.NamespacedName{}
	seen := map[types.NamespacedName]bool{}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			byNamespace[name.Namespace] = append(byNamespace[name.Namespace], name)
		}
	}
	for namespace, wanted := range byNamespace {
		// Migrations first: one that ends between the reads is then seen as ended by the VMI, which is read later.
		var list kubevirtv1.VirtualMachineInstanceMigrationList
		if err := r.client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return nil, fmt.Errorf("listing the migrations of namespace %s: %w", namespace, err)
		}
		for i := range list.Items {
			m := &list.Items[i]
			vmi := types.NamespacedName{Namespace: namespace, Name: m.Spec.VMIName}
			w.migrations[vmi] = append(w.migrations[vmi], m)
		}
		read := r.getEach
		if len(wanted) > getAtMost {
			read = r.listAll
		}
		if err := read(ctx, w, namespace, wanted); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (r *Reader) listAll(ctx context.Context, w *world, namespace string, wanted []types.NamespacedName) error {
	want := make(map[types.NamespacedName]bool, len(wanted))
	for _, name := range wanted {
		want[name] = true
	}
	var vmis kubevirtv1.VirtualMachineInstanceList
	if err := r.client.List(ctx, &vmis, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("listing the VMIs of namespace %s: %w", namespace, err)
	}
	for i := range vmis.Items {
		if name := client.ObjectKeyFromObject(&vmis.Items[i]); want[name] {
			w.vmis[name] = &vmis.Items[i]
		}
	}
	var vms kubevirtv1.VirtualMachineList
	if err := r.client.List(ctx, &vms, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("listing the VMs of namespace %s: %w", namespace, err)
	}
	for i := range vms.Items {
		if name := client.ObjectKeyFromObject(&vms.Items[i]); want[name] {
			w.vms[name] = &vms.Items[i]
		}
	}
	return nil
}

func (r *Reader) getEach(ctx context.Context, w *world, _ string, wanted []types.NamespacedName) error {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		first error
		slots = make(chan struct{}, parallel)
	)
	for _, name := range wanted {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			vmi, vm, err := r.getOne(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if first == nil {
					first = err
				}
				return
			}
			w.vmis[name], w.vms[name] = vmi, vm
		}()
	}
	wg.Wait()
	return first
}

// getOne returns nil for what does not exist.
func (r *Reader) getOne(ctx context.Context, name types.NamespacedName) (*kubevirtv1.VirtualMachineInstance, *kubevirtv1.VirtualMachine, error) {
	vmi := &kubevirtv1.VirtualMachineInstance{}
	if err := r.client.Get(ctx, name, vmi); apierrors.IsNotFound(err) {
		vmi = nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("reading VMI %s: %w", name, err)
	}
	vm := &kubevirtv1.VirtualMachine{}
	if err := r.client.Get(ctx, name, vm); apierrors.IsNotFound(err) {
		vm = nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("reading VM %s: %w", name, err)
	}
	return vmi, vm, nil
}

// vmiOf is the VMI that owns a launcher pod.
func vmiOf(pod *corev1.Pod) (types.NamespacedName, bool) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind != kubevirtv1.VirtualMachineInstanceGroupVersionKind.Kind {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: pod.Namespace, Name: owner.Name}, true
}
