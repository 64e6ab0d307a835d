// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

var epoch = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

type vmiBuilder struct{ o virtv1.VirtualMachineInstance }

func makeVMI() *vmiBuilder {
	return &vmiBuilder{virtv1.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "vm", UID: "vmi"},
	}}
}

func (b *vmiBuilder) Phase(p virtv1.VirtualMachineInstancePhase) *vmiBuilder {
	b.o.Status.Phase = p
	return b
}

func (b *vmiBuilder) Node(name string) *vmiBuilder {
	b.o.Status.NodeName = name
	b.o.Labels = map[string]string{virtv1.NodeNameLabel: name}
	return b
}

func (b *vmiBuilder) Deleting() *vmiBuilder {
	now := metav1.NewTime(epoch)
	b.o.DeletionTimestamp = &now
	return b
}

// Migrating is what virt-controller's hand-over to the target writes.
func (b *vmiBuilder) Migrating(to string) *vmiBuilder {
	b.o.Status.MigrationState = &virtv1.VirtualMachineInstanceMigrationState{
		MigrationUID: "move", SourceNode: b.o.Status.NodeName, TargetNode: to, TargetPod: "pod-" + to,
	}
	b.o.Labels[virtv1.MigrationTargetNodeNameLabel] = to
	return b
}

func (b *vmiBuilder) Interface(network virtv1.Network, iface virtv1.Interface) *vmiBuilder {
	b.o.Spec.Networks = append(b.o.Spec.Networks, network)
	b.o.Spec.Domain.Devices.Interfaces = append(b.o.Spec.Domain.Devices.Interfaces, iface)
	return b
}

func (b *vmiBuilder) Claim(name string, mode corev1.PersistentVolumeAccessMode) *vmiBuilder {
	source := &virtv1.PersistentVolumeClaimVolumeSource{}
	source.ClaimName = name
	b.o.Spec.Volumes = append(b.o.Spec.Volumes, virtv1.Volume{
		Name: name, VolumeSource: virtv1.VolumeSource{PersistentVolumeClaim: source},
	})
	b.o.Status.VolumeStatus = append(b.o.Status.VolumeStatus, virtv1.VolumeStatus{
		Name: name, PersistentVolumeClaimInfo: &virtv1.PersistentVolumeClaimInfo{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode},
		},
	})
	return b
}

func (b *vmiBuilder) Obj() *virtv1.VirtualMachineInstance { return b.o.DeepCopy() }

type podBuilder struct{ o corev1.Pod }

func makePod(node string) *podBuilder {
	return &podBuilder{corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "pod-" + node, UID: "pod-" + types.UID(node),
			CreationTimestamp: metav1.NewTime(epoch), Labels: map[string]string{virtv1.AppLabel: "virt-launcher"},
		},
		Spec: corev1.PodSpec{
			NodeName:      node,
			Containers:    []corev1.Container{{Name: "compute", Image: "sim/launcher:v1"}},
			RestartPolicy: corev1.RestartPolicyNever,
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}}
}

func (b *podBuilder) Target() *podBuilder {
	b.o.Labels[virtv1.MigrationJobLabel] = "move"
	return b
}

func (b *podBuilder) Gate(kind corev1.PodConditionType) *podBuilder {
	b.o.Spec.ReadinessGates = append(b.o.Spec.ReadinessGates, corev1.PodReadinessGate{ConditionType: kind})
	return b
}

func (b *podBuilder) Running(at time.Time) *podBuilder {
	startPod(&b.o, PodView{Now: at, PodIP: "10.128.0.1", HostIP: "198.18.0.1"})
	return b
}

func (b *podBuilder) Phase(p corev1.PodPhase) *podBuilder {
	b.o.Status.Phase = p
	return b
}

func (b *podBuilder) Deleting() *podBuilder {
	now := metav1.NewTime(epoch)
	b.o.DeletionTimestamp = &now
	return b
}

func (b *podBuilder) Obj() *corev1.Pod { return b.o.DeepCopy() }

type hostBuilder struct{ o simhost.HostState }

func makeHost(name string) *hostBuilder {
	return &hostBuilder{simhost.HostState{
		Name: name, Power: simhost.PowerOn, BootID: name + "-1", PowerChangedAt: epoch.Add(-time.Hour),
		Kubelet: true, VirtHandler: true, Network: true,
	}}
}

func (b *hostBuilder) Off(at time.Time) *hostBuilder {
	b.o.Power, b.o.PowerChangedAt = simhost.PowerOff, at
	return b
}

func (b *hostBuilder) Booted(id string, at time.Time) *hostBuilder {
	b.o.Power, b.o.BootID, b.o.PowerChangedAt = simhost.PowerOn, id, at
	return b
}

func (b *hostBuilder) CutOff() *hostBuilder {
	b.o.Network = false
	return b
}

func (b *hostBuilder) NoKubelet() *hostBuilder {
	b.o.Kubelet = false
	return b
}

func (b *hostBuilder) NoHandler() *hostBuilder {
	b.o.VirtHandler = false
	return b
}

func (b *hostBuilder) Obj() simhost.HostState { return b.o }

func metav1Now() metav1.Time { return metav1.NewTime(epoch) }
