// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestZoneAntiAffinity: three VMs that must be in three zones, of which the host of one is drained. With ours it moves within its zone; with
// kube-scheduler's own profile its target waits for ever, because the VM keeps itself out of its zone, and the others keep it out of theirs.
func TestZoneAntiAffinity(t *testing.T) {
	t.Parallel()
	s, zones := suite.newStageOver(t, 2)
	zoneOf := map[string]string{}
	var first []string
	for zone, nodes := range zones {
		first = append(first, nodes[0])
		zoneOf[nodes[0]], zoneOf[nodes[1]] = zone, zone
	}
	s.admit(first...)
	for i := range 3 {
		s.create(
			s.newVM(fmt.Sprint("ours-", i)).Group("ours").Apart("ours", corev1.LabelTopologyZone).EvictionStrategy(kubevirtv1.EvictionStrategyLiveMigrate),
			s.newVM(fmt.Sprint("stock-", i)).Group("stock").Apart("stock", corev1.LabelTopologyZone).EvictionStrategy(kubevirtv1.EvictionStrategyLiveMigrate).Scheduler(stockProfile),
		)
	}
	at := map[string]string{}
	for i := range 3 {
		for _, group := range []string{"ours", "stock"} {
			vm := fmt.Sprint(group, "-", i)
			at[vm] = s.awaitRunning(vm, 2*time.Minute, "").Status.NodeName
		}
	}
	for _, group := range []string{"ours", "stock"} {
		seen := map[string]bool{}
		for i := range 3 {
			seen[zoneOf[at[fmt.Sprint(group, "-", i)]]] = true
		}
		if len(seen) != 3 {
			t.Fatalf("%s are in %d zones, want 3: %v", group, len(seen), at)
		}
	}
	s.admit(s.nodes...)

	drained := at["ours-0"]
	s.drain(drained)
	var stock string
	for i := range 3 {
		if vm := fmt.Sprint("stock-", i); at[vm] == drained {
			stock = vm
		}
	}
	s.awaitMoved("ours-0", drained)
	now, err := s.vmi("ours-0")
	s.must(err)
	if zoneOf[now.Status.NodeName] != zoneOf[drained] {
		t.Errorf("the VM is on %s now, in %s, want it to stay in %s", now.Status.NodeName, zoneOf[now.Status.NodeName], zoneOf[drained])
	}
	s.awaitTargetRefused(stock, "anti-affinity")
	s.assertNobodyMoves([]string{stock}, drained)
}

// TestPairIsEvacuated: two VMs that must be on one host leave it together when it is drained. A mere eviction, with the host as good as
// before, moves neither: it is no reason to part them.
func TestPairIsEvacuated(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ drained bool }{"host is drained": {true}, "mere eviction": {false}}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := suite.newStage(t, 3)
			source := s.nodes[0]
			s.admit(source)
			pair := []string{"one", "two"}
			for _, vm := range pair {
				s.create(s.newVM(vm).Group("pair").Together("pair", corev1.LabelHostname).EvictionStrategy(kubevirtv1.EvictionStrategyLiveMigrate))
			}
			for _, vm := range pair {
				s.awaitRunning(vm, 2*time.Minute, "")
			}
			s.admit(s.nodes[1:]...)
			if !tc.drained {
				s.evict(pair[0])
				// By the affinity alone: that the source refuses its own target is said in other words.
				s.awaitTargetRefused(pair[0], "required affinity asks for")
				s.assertNobodyMoves(pair, source)
				return
			}
			s.drain(source)
			var on []string
			for _, vm := range pair {
				s.awaitMoved(vm, source)
				vmi, err := s.vmi(vm)
				s.must(err)
				on = append(on, vmi.Status.NodeName)
			}
			if on[0] != on[1] {
				t.Errorf("the pair was parted: on %v", on)
			}
		})
	}
}

// assertNobodyMoves watches some VMs stay on their node, for longer than it takes to try a target three times, each with more of its
// affinity conceded. A target of which the scheduler says that it will be tried so is on its way already.
func (s *stage) assertNobodyMoves(vms []string, node string) {
	s.t.Helper()
	s.holdsUntil(fmt.Sprintf("%v stay on %s", vms, node), time.Now().Add(20*time.Second), func() (bool, string) {
		for _, vm := range vms {
			vmi, err := s.vmi(vm)
			s.must(err)
			if vmi == nil || vmi.Status.NodeName != node {
				return false, fmt.Sprintf("VM %s: %v", vm, vmi)
			}
			for _, pod := range s.launcherPods(vm) {
				if pod.Labels[kubevirtv1.MigrationJobLabel] == "" {
					continue
				}
				if c := scheduled(&pod); pod.Spec.NodeName != "" || c != nil && strings.Contains(c.Message, "tried again") {
					return false, fmt.Sprintf("target %s is on %q: %v", pod.Name, pod.Spec.NodeName, c)
				}
			}
		}
		return true, ""
	})
}

// drain cordons a node and evicts all VMs of the stage from it, as kubectl drain does.
func (s *stage) drain(node string) {
	s.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
	s.must(s.client.Patch(s.ctx, n, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"unschedulable":true}}`))))
	var vms kubevirtv1.VirtualMachineInstanceList
	s.must(s.client.List(s.ctx, &vms, client.InNamespace(s.ns)))
	for _, vmi := range vms.Items {
		if vmi.Status.NodeName == node {
			s.evict(vmi.Name)
		}
	}
}

// evict asks for the eviction of a VM from where it runs, until KubeVirt has said that the VM is on its way.
func (s *stage) evict(vm string) {
	s.t.Helper()
	s.await("the eviction of "+vm+" to be accepted", time.Minute, func() (bool, string, error) {
		vmi, err := s.vmi(vm)
		if err != nil || vmi == nil {
			return false, "no VMI", err
		}
		if vmi.Status.EvacuationNodeName != "" {
			return true, "", nil
		}
		i := slices.IndexFunc(s.launcherPods(vm), func(p corev1.Pod) bool { return p.Spec.NodeName == vmi.Status.NodeName })
		if i < 0 {
			return false, "no launcher pod on " + vmi.Status.NodeName, nil
		}
		err = s.kube.PolicyV1().Evictions(s.ns).Evict(s.ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: s.launcherPods(vm)[i].Name, Namespace: s.ns}})
		if apierrors.IsTooManyRequests(err) { // KubeVirt's way of saying yes, or no
			return false, err.Error(), nil
		}
		if err == nil {
			s.t.Fatalf("the launcher pod of %s was evicted itself: its VM is shut down", vm)
		}
		return false, "", err
	})
}

// awaitTargetRefused waits until the scheduler has said why the target pod of the VM's migration has no host.
func (s *stage) awaitTargetRefused(vm, why string) {
	s.t.Helper()
	s.await("the target of "+vm+" to be refused", placeable, func() (bool, string, error) {
		for _, pod := range s.launcherPods(vm) {
			c := scheduled(&pod)
			if pod.Labels[kubevirtv1.MigrationJobLabel] == "" || c == nil {
				continue
			}
			if pod.Spec.NodeName != "" {
				s.t.Fatalf("the target of %s is on %s, want none", vm, pod.Spec.NodeName)
			}
			return strings.Contains(c.Message, why), c.Message, nil
		}
		return false, "no target pod that was looked at", nil
	})
}
