// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package kubevirtapi

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
)

func newReader(t *testing.T, objects ...client.Object) *Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kubevirtv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return NewReader(fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build())
}

func makePod(name, node, vmi string, job types.UID) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "ns", UID: types.UID("uid-" + name), Labels: map[string]string{kubevirtv1.AppLabel: LauncherLabel},
			OwnerReferences: []metav1.OwnerReference{{Kind: "VirtualMachineInstance", Name: vmi, UID: types.UID("vmi-" + vmi), Controller: ptr.To(true)}},
		},
		Spec:   corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if job != "" {
		pod.Labels[kubevirtv1.MigrationJobLabel] = string(job)
	}
	return pod
}

func makeVMI(node string, state *kubevirtv1.VirtualMachineInstanceMigrationState) *kubevirtv1.VirtualMachineInstance {
	return &kubevirtv1.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "ns", UID: "vmi-a", OwnerReferences: []metav1.OwnerReference{
			{Kind: "VirtualMachine", Name: "a", UID: "vm-a", Controller: ptr.To(true)},
		}},
		Status: kubevirtv1.VirtualMachineInstanceStatus{Phase: kubevirtv1.Running, NodeName: node, MigrationState: state},
	}
}

func makeVM() *kubevirtv1.VirtualMachine {
	return &kubevirtv1.VirtualMachine{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "ns", UID: "vm-a"},
		Spec:       kubevirtv1.VirtualMachineSpec{Running: ptr.To(true)},
	}
}

func makeMigration(uid types.UID, phase kubevirtv1.VirtualMachineInstanceMigrationPhase) *kubevirtv1.VirtualMachineInstanceMigration {
	return &kubevirtv1.VirtualMachineInstanceMigration{
		ObjectMeta: metav1.ObjectMeta{Name: "move-" + string(uid), Namespace: "ns", UID: uid},
		Spec:       kubevirtv1.VirtualMachineInstanceMigrationSpec{VMIName: "a"},
		Status:     kubevirtv1.VirtualMachineInstanceMigrationStatus{Phase: phase},
	}
}

// One launcher pod on node-1 and what stands for its guest.
func TestPods(t *testing.T) {
	moving := func(source, target string) *kubevirtv1.VirtualMachineInstanceMigrationState {
		return &kubevirtv1.VirtualMachineInstanceMigrationState{MigrationUID: "m1", SourceNode: source, TargetNode: target}
	}
	completed := moving("node-2", "node-1")
	completed.Completed = true
	failed := moving("node-1", "node-2")
	failed.Failed = true
	vm := failover.VMView{Exists: true, UID: "vm-a", RunStrategy: "Always"}
	tests := map[string]struct {
		objects []client.Object
		want    failover.PodView
	}{
		"at home": {
			objects: []client.Object{makePod("p", "node-1", "a", ""), makeVMI("node-1", nil), makeVM()},
			want: failover.PodView{
				VMI: failover.VMIView{Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-1"}, VM: vm,
			},
		},
		"its VMI is gone": {
			objects: []client.Object{makePod("p", "node-1", "a", ""), makeVM()},
			want:    failover.PodView{VMI: failover.VMIView{UID: "vmi-a"}, VM: vm},
		},
		"the name is another VMI's": {
			objects: []client.Object{makePod("p", "node-1", "a", ""), func() client.Object {
				vmi := makeVMI("node-2", nil)
				vmi.UID = "vmi-new"
				return vmi
			}(), makeVM()},
			want: failover.PodView{VMI: failover.VMIView{UID: "vmi-a"}, VM: vm},
		},
		"a VMI without a VM, beside a VM of the same name": {
			objects: []client.Object{makePod("p", "node-1", "a", ""), func() client.Object {
				vmi := makeVMI("node-1", nil)
				vmi.OwnerReferences = nil
				return vmi
			}(), makeVM()},
			want: failover.PodView{VMI: failover.VMIView{Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-1"}},
		},
		"source of a migration": {
			objects: []client.Object{
				makePod("p", "node-1", "a", ""), makeVMI("node-1", moving("node-1", "node-2")), makeVM(), makeMigration("m1", kubevirtv1.MigrationRunning),
			},
			want: failover.PodView{VM: vm, VMI: failover.VMIView{
				Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-1",
				Migration: failover.MigrationView{InFlight: true, Name: "move-m1", SourceNode: "node-1", TargetNode: "node-2"},
			}},
		},
		"target of a migration": {
			objects: []client.Object{
				makePod("p", "node-1", "a", "m1"), makeVMI("node-2", moving("node-2", "node-1")), makeVM(), makeMigration("m1", kubevirtv1.MigrationRunning),
			},
			want: failover.PodView{Target: true, VM: vm, VMI: failover.VMIView{
				Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-2",
				Migration: failover.MigrationView{InFlight: true, Name: "move-m1", SourceNode: "node-2", TargetNode: "node-1"},
			}},
		},
		"target before the VMI knows": {
			objects: []client.Object{
				makePod("p", "node-1", "a", "m1"), makeVMI("node-2", nil), makeVM(), makeMigration("m1", kubevirtv1.MigrationScheduling),
			},
			want: failover.PodView{Target: true, VM: vm, VMI: failover.VMIView{
				Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-2",
				Migration: failover.MigrationView{InFlight: true, Name: "move-m1", SourceNode: "node-2", TargetNode: "node-1"},
			}},
		},
		"at home after a migration, with the label that it left": {
			objects: []client.Object{
				makePod("p", "node-1", "a", "m1"), makeVMI("node-1", completed), makeVM(), makeMigration("m1", kubevirtv1.MigrationSucceeded),
			},
			want: failover.PodView{VM: vm, VMI: failover.VMIView{
				Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-1",
				Migration: failover.MigrationView{Name: "move-m1", SourceNode: "node-2", TargetNode: "node-1", Completed: true},
			}},
		},
		"at home after a migration, moving again": {
			objects: []client.Object{
				makePod("p", "node-1", "a", "m0"), makeVMI("node-1", moving("node-1", "node-2")), makeVM(),
				makeMigration("m0", kubevirtv1.MigrationSucceeded), makeMigration("m1", kubevirtv1.MigrationRunning),
			},
			want: failover.PodView{VM: vm, VMI: failover.VMIView{
				Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-1",
				Migration: failover.MigrationView{InFlight: true, Name: "move-m1", SourceNode: "node-1", TargetNode: "node-2"},
			}},
		},
		"a migration that failed": {
			objects: []client.Object{makePod("p", "node-1", "a", ""), makeVMI("node-1", failed), makeVM()},
			want: failover.PodView{VM: vm, VMI: failover.VMIView{
				Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-1",
				Migration: failover.MigrationView{SourceNode: "node-1", TargetNode: "node-2", Failed: true},
			}},
		},
		"a migration that only its own object says has failed": {
			objects: []client.Object{
				makePod("p", "node-1", "a", ""), makeVMI("node-1", moving("node-1", "node-2")), makeVM(), makeMigration("m1", kubevirtv1.MigrationFailed),
			},
			want: failover.PodView{VM: vm, VMI: failover.VMIView{
				Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-1",
				Migration: failover.MigrationView{Name: "move-m1", SourceNode: "node-1", TargetNode: "node-2", Failed: true},
			}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			view, err := newReader(t, append(tc.objects, makePod("elsewhere", "node-2", "a", ""))...).Pods(t.Context(), "node-1", false)
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Namespace, tc.want.Name, tc.want.UID, tc.want.VMIName = "ns", "p", "uid-p", "a"
			if diff := cmp.Diff(failover.PodsView{Read: true, Pods: []failover.PodView{tc.want}}, view); diff != "" {
				t.Errorf("Pods() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodsCountsVolumeAttachmentsOfTheNode(t *testing.T) {
	r := newReader(t,
		&storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "v1"}, Spec: storagev1.VolumeAttachmentSpec{NodeName: "node-1"}},
		&storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "v2"}, Spec: storagev1.VolumeAttachmentSpec{NodeName: "node-2"}},
	)
	view, err := r.Pods(t.Context(), "node-1", true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(failover.PodsView{Read: true, VolumeAttachments: 1}, view); diff != "" {
		t.Errorf("Pods() (-want +got):\n%s", diff)
	}
}

// Few objects are read one by one, many by a list: the answer is the same.
func TestVMs(t *testing.T) {
	for _, n := range []int{1, getAtMost, getAtMost + 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			names := []types.NamespacedName{{Namespace: "ns", Name: "a"}}
			for i := 1; i < n; i++ {
				names = append(names, types.NamespacedName{Namespace: "ns", Name: fmt.Sprintf("gone-%d", i)})
			}
			view, err := newReader(t, makeVMI("node-2", nil), makeVM()).VMs(t.Context(), names, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := failover.VMsView{Read: true, VMIs: map[types.NamespacedName]failover.VMIView{}, VMs: map[types.NamespacedName]failover.VMView{}}
			for _, name := range names {
				want.VMIs[name], want.VMs[name] = failover.VMIView{}, failover.VMView{}
			}
			want.VMIs[names[0]] = failover.VMIView{Exists: true, UID: "vmi-a", Phase: "Running", NodeName: "node-2"}
			want.VMs[names[0]] = failover.VMView{Exists: true, UID: "vm-a", RunStrategy: "Always"}
			if diff := cmp.Diff(want, view); diff != "" {
				t.Errorf("VMs() (-want +got):\n%s", diff)
			}
		})
	}
}

// A pod has ended when its phase and each of its containers say so; a phase alone may be a controller's word for a silent kubelet.
func TestVMsReadLaunchersOfThoseThatRunOn(t *testing.T) {
	launcher := func(name string, phase corev1.PodPhase, containers ...corev1.ContainerState) *corev1.Pod {
		pod := makePod(name, "node-2", "a", "")
		pod.Labels[kubevirtv1.CreatedByLabel] = "vmi-a"
		pod.Spec.Containers = []corev1.Container{{Name: "compute"}}
		pod.Status.Phase = phase
		for _, state := range containers {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: "compute", State: state})
		}
		return pod
	}
	terminated := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	tests := map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"running":                       {launcher("p", corev1.PodRunning, running), false},
		"succeeded":                     {launcher("p", corev1.PodSucceeded, terminated), true},
		"failed":                        {launcher("p", corev1.PodFailed, terminated), true},
		"failed by a controller's word": {launcher("p", corev1.PodFailed, running), false},
		"failed, never started":         {launcher("p", corev1.PodFailed), false},
	}
	name := types.NamespacedName{Namespace: "ns", Name: "a"}
	for test, tc := range tests {
		t.Run(test, func(t *testing.T) {
			other := makePod("other", "node-2", "b", "")
			view, err := newReader(t, tc.pod, other, makeVMI("node-2", nil), makeVM()).VMs(t.Context(), []types.NamespacedName{name}, []types.NamespacedName{name})
			if err != nil {
				t.Fatal(err)
			}
			want := []failover.LauncherView{{Name: "p", UID: "uid-p", Node: "node-2", Ended: tc.want}}
			if diff := cmp.Diff(want, view.VMIs[name].Launchers); diff != "" || !view.VMIs[name].LaunchersRead {
				t.Errorf("launchers (-want +got), read %v:\n%s", view.VMIs[name].LaunchersRead, diff)
			}
		})
	}
}
