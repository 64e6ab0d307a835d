// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

const (
	// heartbeatTolerance is the shipped profiles', and kubeVirtNotices what virt-controller waits before it says so itself.
	heartbeatTolerance = 180 * time.Second
	kubeVirtNotices    = 5 * time.Minute

	// placeable is how long a VM may take until its pod is placed, created through KubeVirt on a machine that is busy.
	placeable = 90 * time.Second

	drainTaint = "kubevirt.io/drain"
)

// TestDyingVirtHandler: three minutes after the last heartbeat no VM is sent to the host any more, though KubeVirt and the
// host's kubelet say that it is well; from the next heartbeat on it is one like the others.
func TestDyingVirtHandler(t *testing.T) {
	t.Parallel()
	s := suite.newStage(t, 2)
	dying, well := s.nodes[0], s.nodes[1]
	s.load(well)
	s.admit(dying) // it is empty, and by that the better host
	s.change(dying, simhost.Patch{VirtHandler: to(false)})
	ended := time.Now()
	s.holdsUntil("KubeVirt's word that the host is well", ended.Add(heartbeatTolerance+5*time.Second), func() (bool, string) {
		return s.schedulable(dying)
	})

	s.create(s.newVM("ours"), s.newVM("stock").Scheduler(stockProfile), s.newVM("pinned").Node(dying))
	s.awaitPlaced("stock", dying)
	s.awaitPlaced("ours", well)
	s.awaitUnschedulable("pinned", "virt-handler")
	if ok, seen := s.schedulable(dying); !ok {
		t.Fatalf("%s %s after the end of virt-handler: too late to tell who noticed (KubeVirt does after %s)", seen, time.Since(ended), kubeVirtNotices)
	}

	s.change(dying, simhost.Patch{VirtHandler: to(true)})
	s.awaitPlaced("pinned", dying)
}

func (s *stage) schedulable(node string) (bool, string) {
	s.t.Helper()
	n := &corev1.Node{}
	if err := s.client.Get(s.ctx, client.ObjectKey{Name: node}, n); err != nil {
		return false, err.Error()
	}
	value := n.Labels[kubevirtv1.NodeSchedulable]
	return value == "true", fmt.Sprintf("%s=%s, heartbeat %s", kubevirtv1.NodeSchedulable, value, n.Annotations[kubevirtv1.VirtHandlerHeartbeat])
}

// TestDrainTaint: who tolerates everything did not mean to be sent to a host that is being drained.
func TestDrainTaint(t *testing.T) {
	t.Parallel()
	s := suite.newStage(t, 2)
	drained, well := s.nodes[0], s.nodes[1]
	s.load(well)
	s.setTaints(drained, corev1.Taint{Key: drainTaint, Effect: corev1.TaintEffectNoSchedule})
	s.admit(drained)

	s.create(
		s.newVM("ours").Toleration(""), s.newVM("stock").Toleration("").Scheduler(stockProfile),
		s.newVM("pinned").Toleration("").Node(drained), s.newVM("insists").Toleration(drainTaint).Node(drained),
	)
	s.awaitPlaced("stock", drained)
	s.awaitPlaced("ours", well)
	s.awaitPlaced("insists", drained) // it names the taint
	s.awaitUnschedulable("pinned", drainTaint)
	s.setTaints(drained)
	s.awaitPlaced("pinned", drained)
}

// TestHostModelClasses: a guest with the host's CPU model is not put on the one host from which it could never leave, and
// what virt-controller does with KubeVirt's node labels when it is migrated bears that out.
func TestHostModelClasses(t *testing.T) {
	t.Parallel()
	s := suite.newStageOf(t, simhost.ProcessorHaswell, simhost.ProcessorHaswell, simhost.ProcessorHaswell, simhost.ProcessorCascadeLake)
	old, newest := s.nodes[:3], s.nodes[3]
	for i, node := range old {
		load := fmt.Sprintf("load-%d", i)
		s.admit(node)
		s.create(s.newVM(load).Node(node))
		s.awaitPlaced(load, node)
	}
	s.admit(newest) // it is empty

	s.create(s.newVM("ours"), s.newVM("stock").Scheduler(stockProfile))
	s.awaitPlaced("stock", newest)
	ours := s.awaitRunning("ours", 2*time.Minute, "")
	if ours.Status.NodeName == newest {
		t.Fatalf("the VM is on %s, from where it can never be moved", newest)
	}
	s.awaitRunning("stock", 2*time.Minute, "")

	s.migrate("ours")
	s.awaitMoved("ours", ours.Status.NodeName)
	s.migrate("stock")
	s.await("the migration of stock to find no host", placeable, func() (bool, string, error) {
		for _, pod := range s.launcherPods("stock") {
			if c := scheduled(&pod); pod.Spec.NodeName == "" && c != nil && c.Reason == corev1.PodReasonUnschedulable {
				return true, "", nil
			}
		}
		return false, fmt.Sprintf("%d launcher pods, none unschedulable", len(s.launcherPods("stock"))), nil
	})
}

// load admits a node and puts two VMs there, so that an empty one is the better host.
func (s *stage) load(node string) {
	s.t.Helper()
	s.admit(node)
	s.create(s.newVM("load-1"), s.newVM("load-2"))
	s.awaitPlaced("load-1", node)
	s.awaitPlaced("load-2", node)
}

func scheduled(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == corev1.PodScheduled {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// awaitPlaced waits until the VM's launcher pod is placed, and fails when that is not on the node.
func (s *stage) awaitPlaced(vm, node string) {
	s.t.Helper()
	placed := ""
	s.await("VM "+vm+" to be placed", placeable, func() (bool, string, error) {
		for _, pod := range s.launcherPods(vm) {
			placed = pod.Spec.NodeName
			if c := scheduled(&pod); placed == "" && c != nil {
				return false, c.Message, nil
			}
		}
		return placed != "", "no launcher pod", nil
	})
	if placed != node {
		s.t.Fatalf("VM %s was placed on %s, want %s", vm, placed, node)
	}
}

// awaitUnschedulable waits until the scheduler has said why the VM has no host.
func (s *stage) awaitUnschedulable(vm, why string) {
	s.t.Helper()
	s.await("VM "+vm+" to be refused", placeable, func() (bool, string, error) {
		for _, pod := range s.launcherPods(vm) {
			if pod.Spec.NodeName != "" {
				s.t.Fatalf("VM %s was placed on %s, want it refused because of %s", vm, pod.Spec.NodeName, why)
			}
			if c := scheduled(&pod); c != nil && c.Status == corev1.ConditionFalse {
				return strings.Contains(c.Message, why), c.Message, nil
			}
		}
		return false, "no launcher pod that was looked at", nil
	})
}

// setTaints replaces the taints of a node.
func (s *stage) setTaints(node string, taints ...corev1.Taint) {
	s.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
	s.await("the taints of "+node+" to be set", 30*time.Second, func() (bool, string, error) {
		if err := s.client.Get(s.ctx, client.ObjectKeyFromObject(n), n); err != nil {
			return false, "", err
		}
		before := n.DeepCopy()
		n.Spec.Taints = taints
		err := s.client.Patch(s.ctx, n, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		return err == nil, "", err
	})
}
