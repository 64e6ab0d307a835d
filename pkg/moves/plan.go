// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// How a migration of ours is known.
const (
	// PreemptorLabel has the UID of the pod for which room is made. Who looks for migrations of ours selects by it.
	PreemptorLabel = "virt-scheduler.io/preemptor"
	// PreemptorAnnotation has that pod's namespace and name, with a slash between.
	PreemptorAnnotation = "virt-scheduler.io/preemptor-pod"
	// NodeAnnotation has the node on which room is made, which is the one that the VM leaves.
	NodeAnnotation = "virt-scheduler.io/makes-room-on"
	// VMIAnnotation has the UID of the VirtualMachineInstance that moves.
	VMIAnnotation = "virt-scheduler.io/vmi-uid"
	// TimeoutAnnotation says after how long the moves for the same pod are given up, for who finds the migration after a restart.
	TimeoutAnnotation = "virt-scheduler.io/give-up-after"
)

// What holds where a Plan says nothing, or its migrations do not say it any more.
const (
	DefaultTimeout    = 10 * time.Minute
	DefaultRetryAfter = 5 * time.Minute
)

// Plan says which VMs move away from a node so that there is room for a pod. It is given with each of its moves, and must be the same for all.
type Plan struct {
	// Preemptor is the pod that gets the room.
	Preemptor *corev1.Pod
	// Node is where it gets it.
	Node  string
	Moves []Move
	// Timeout is how long all moves together may take, RetryAfter how long the node is not tried again for this pod when they came to
	// nothing. 0 stands for the defaults.
	Timeout, RetryAfter time.Duration
}

// Move is a VM that moves.
type Move struct {
	// VM is the namespace and name of the VirtualMachineInstance, UID its UID.
	VM  types.NamespacedName
	UID types.UID
	// Launcher is its pod on the node, which is told of it; it may be nil.
	Launcher *corev1.Pod
	// Home is the node that it moves to, HomeHostname the value of that node's label kubernetes.io/hostname.
	Home, HomeHostname string
}

// preemptor is a pod for which room is made.
type preemptor struct {
	types.NamespacedName
	uid types.UID
}

// guest is a VM that moves.
type guest struct {
	types.NamespacedName
	uid types.UID
}

func (p Plan) preemptor() preemptor {
	return preemptor{types.NamespacedName{Namespace: p.Preemptor.Namespace, Name: p.Preemptor.Name}, p.Preemptor.UID}
}

func (p Plan) timeout() time.Duration {
	if p.Timeout > 0 {
		return p.Timeout
	}
	return DefaultTimeout
}

func (p Plan) retryAfter() time.Duration {
	if p.RetryAfter > 0 {
		return p.RetryAfter
	}
	return DefaultRetryAfter
}

func (m Move) guest() guest { return guest{m.VM, m.UID} }

// nameOf names the migration of a VM. It does not depend on the preemptor: two of them, or two schedulers, cannot ask for a migration of the
// same VM at the same time, as the API server knows a name once. attempt is 1 unless earlier ones have ended and are still there.
func nameOf(vmi types.UID, attempt int) string { return fmt.Sprintf("%s%d", namePrefix(vmi), attempt) }

// attemptIn returns the attempt in a name; 1 if there is none.
func attemptIn(name string, vmi types.UID) int {
	attempt, err := strconv.Atoi(strings.TrimPrefix(name, namePrefix(vmi)))
	if err != nil || attempt < 1 {
		return 1
	}
	return attempt
}

func namePrefix(vmi types.UID) string { return "virt-scheduler-" + string(vmi) + "-" }

// migrationFor returns what is written.
func migrationFor(plan Plan, move Move, name string) *migrationObject {
	pod := plan.preemptor()
	return &migrationObject{
		TypeMeta: metav1.TypeMeta{APIVersion: kubevirtv1.GroupVersion.String(), Kind: kubevirtv1.VirtualMachineInstanceMigrationGroupVersionKind.Kind},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: move.VM.Namespace, Name: name,
			Labels: map[string]string{PreemptorLabel: string(pod.uid)},
			Annotations: map[string]string{
				PreemptorAnnotation: pod.String(), NodeAnnotation: plan.Node, VMIAnnotation: string(move.UID),
				TimeoutAnnotation: plan.timeout().String(),
			},
		},
		Spec: kubevirtv1.VirtualMachineInstanceMigrationSpec{
			VMIName:           move.VM.Name,
			AddedNodeSelector: map[string]string{corev1.LabelHostname: move.HomeHostname},
		},
	}
}

// purpose is what a migration of ours says about why it is there.
type purpose struct {
	preemptor preemptor
	node      string
	vmi       types.UID
	timeout   time.Duration
}

// purposeOf returns nil for a migration that is not ours. One that was copied under another name with all its labels is not ours.
func purposeOf(m *migrationObject) *purpose {
	uid, vmi, node := m.Labels[PreemptorLabel], m.Annotations[VMIAnnotation], m.Annotations[NodeAnnotation]
	namespace, name, ok := strings.Cut(m.Annotations[PreemptorAnnotation], "/")
	if !ok || uid == "" || vmi == "" || node == "" || !strings.HasPrefix(m.Name, namePrefix(types.UID(vmi))) {
		return nil
	}
	timeout, err := time.ParseDuration(m.Annotations[TimeoutAnnotation])
	if err != nil || timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &purpose{
		preemptor: preemptor{types.NamespacedName{Namespace: namespace, Name: name}, types.UID(uid)},
		node:      node, vmi: types.UID(vmi), timeout: timeout,
	}
}
