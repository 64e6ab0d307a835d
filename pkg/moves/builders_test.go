// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

const namespace = metav1.NamespaceDefault

// start is when tests begin.
var start = time.Unix(1_000_000, 0)

func pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name + "-uid")}}
}

func moveOf(vm string) Move {
	return Move{VM: types.NamespacedName{Namespace: namespace, Name: vm}, UID: types.UID(vm + "-uid"), Home: "home", HomeHostname: "home.example"}
}

func planOf(preemptor, node string, vms ...string) Plan {
	p := Plan{Preemptor: pod(preemptor), Node: node, Timeout: 10 * time.Minute, RetryAfter: 5 * time.Minute}
	for _, vm := range vms {
		p.Moves = append(p.Moves, moveOf(vm))
	}
	return p
}

// migrationBuilder builds migrations as KubeVirt would show them.
type migrationBuilder struct{ m *migrationObject }

func newMigration(preemptor, node, vm string) migrationBuilder {
	m := migrationFor(planOf(preemptor, node), moveOf(vm), nameOf(types.UID(vm+"-uid"), 1))
	m.UID, m.CreationTimestamp = types.UID(vm+"-1"), metav1.Time{Time: start}
	return migrationBuilder{m}
}

// foreign returns a migration that is not ours.
func foreign(name, vm string) migrationBuilder {
	return migrationBuilder{&migrationObject{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name)},
		Spec:       kubevirtv1.VirtualMachineInstanceMigrationSpec{VMIName: vm},
	}}
}

func (b migrationBuilder) Phase(phase kubevirtv1.VirtualMachineInstanceMigrationPhase) migrationBuilder {
	b.m.Status.Phase = phase
	return b
}

func (b migrationBuilder) Deleting() migrationBuilder {
	b.m.DeletionTimestamp = &metav1.Time{Time: start}
	return b
}

func (b migrationBuilder) Attempt(attempt int, uid types.UID) migrationBuilder {
	b.m.Name, b.m.UID = nameOf(types.UID(b.m.Annotations[VMIAnnotation]), attempt), uid
	return b
}

func (b migrationBuilder) Created(after time.Duration) migrationBuilder {
	b.m.CreationTimestamp.Time = start.Add(after)
	return b
}

func (b migrationBuilder) From(node, pod string) migrationBuilder {
	b.m.Status.MigrationState = &kubevirtv1.VirtualMachineInstanceMigrationState{SourceNode: node, SourcePod: pod}
	return b
}

func (b migrationBuilder) Obj() *migrationObject { return b.m }

func (b migrationBuilder) Kept() *migration { return stripped(b.m) }
