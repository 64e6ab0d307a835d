// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/fencinghealth"
)

var getNow = metav1.GetOptions{}

// unproved is for how long nothing may be released when there is no proof.
const unproved = 3 * time.Minute

func to[T any](v T) *T { return &v }

// TestBMCUnreachable: the power goes, and the BMC with it. Nothing is released for three minutes, a token of another incident is
// refused, and the right one lets the VM run again.
func TestBMCUnreachable(t *testing.T) {
	t.Parallel()
	s := suite.newStage(t, 2)
	dead := s.nodes[0]
	s.admit(dead)
	s.create(s.newVM("vm"))
	vmi := s.awaitRunning("vm", 2*time.Minute, "")
	s.admit(s.nodes[1])
	s.change(dead, simhost.Patch{BMCReachable: to(false)})
	cut := s.cutPower(dead)

	nf := s.awaitFailure(dead, "to await an administrator", 2*time.Minute, inPhase(failurev1alpha1.PhaseAwaitManual))
	s.awaitFailure(dead, "to raise an alarm", time.Minute, alarmed)
	for _, token := range []string{"yes", string(nf.Spec.NodeUID) + "/another-boot", "another-node/" + nf.Spec.BootID} {
		s.confirmFenced(nf, token)
		s.awaitFailure(dead, "to refuse the token "+token, 30*time.Second, func(nf *failurev1alpha1.NodeFailure) bool {
			return nf.Status.RefusedToken == token
		})
	}
	s.holdsUntil("nothing released without a proof", cut.Add(unproved), s.nothingReleased(dead, "vm", vmi))

	s.confirmFenced(nf, string(nf.Spec.NodeUID)+"/"+nf.Spec.BootID)
	s.awaitRunning("vm", time.Minute, vmi.UID)
	nf = s.awaitFailure(dead, "to be settled", time.Minute, settled)
	if p := nf.Status.Fence.Proof; p.Kind != failurev1alpha1.ProofManual || p.BootID != nf.Spec.BootID {
		t.Errorf("proof %+v, want Manual for boot %s", p, nf.Spec.BootID)
	}
	stored, _ := s.proofStored(nf.Name)
	if created := s.launchersCreated("vm"); len(created) != 2 || created[1].at.Before(stored) {
		t.Errorf("launcher pods %d, want the second of two after the proof at %s", len(created), stored)
	}
}

// nothingReleased checks that the VM's launcher pod is there, untouched by the watcher, and that no power action was sent.
func (s *stage) nothingReleased(dead, vm string, vmi *kubevirtv1.VirtualMachineInstance) func() (bool, string) {
	return func() (bool, string) {
		pods := s.launcherPods(vm)
		if len(pods) != 1 || pods[0].Spec.NodeName != dead || pods[0].Status.Phase != corev1.PodRunning {
			return false, fmt.Sprintf("launcher pods of %s: %d, want the one on %s, Running", vm, len(pods), dead)
		}
		if now, err := s.vmi(vm); err != nil || now == nil || now.UID != vmi.UID {
			return false, fmt.Sprintf("VMI %v, %v, want UID %s", now, err, vmi.UID)
		}
		if n := len(s.watcherPodDeletions()); n != 0 {
			return false, fmt.Sprintf("%d pods were deleted by the watcher", n)
		}
		if n := len(s.outOfServiceSet(dead)); n != 0 {
			return false, fmt.Sprintf("%s was set out of service", dead)
		}
		for _, node := range s.nodes {
			if n := s.powerActions(node); n != 0 {
				return false, fmt.Sprintf("%d power actions on %s", n, node)
			}
		}
		return true, ""
	}
}

// TestWrongMachine: the BMC that is wired to a node answers for another machine. Whatever it says is no proof, it is never told
// to switch anything off, and there is an alarm before anything fails and in the incident.
func TestWrongMachine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		nodes int
		wire  func(s *stage)
		fail  simhost.Patch
		// The failed node is reported as not ready for fencing before it fails. also is another one, by index, of which the same is true, and
		// why its reason, "" for any.
		also int
		why  string
	}{
		// Two cables changed places: the BMC of the dead node is that of a machine that runs.
		"swapped BMCs": {
			nodes: 3,
			wire: func(s *stage) {
				s.change(s.nodes[0], simhost.Patch{BMCServes: &s.nodes[2]})
				s.change(s.nodes[2], simhost.Patch{BMCServes: &s.nodes[0]})
			},
			fail: simhost.Patch{Power: to(simhost.PowerOff)},
			also: 2,
		},
		// The node is only cut off and its VMs run on, while the spare host behind its BMC is off, and says so.
		"BMC of a powered-off spare host": {
			nodes: 2,
			wire:  func(s *stage) { s.change(s.nodes[0], simhost.Patch{BMCServes: to("spare-1")}) },
			fail:  simhost.Patch{Network: to(false)},
		},
		// Both nodes' BMCs answer for the third node's machine: its own is right, and yet it is one system for two nodes.
		"one BMC for two nodes": {
			nodes: 3,
			wire:  func(s *stage) { s.change(s.nodes[0], simhost.Patch{BMCServes: &s.nodes[2]}) },
			fail:  simhost.Patch{Network: to(false)},
			also:  2,
			why:   fencinghealth.ReasonMappedTwice,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := suite.newStage(t, tc.nodes)
			failed := s.nodes[0]
			s.admit(failed)
			s.create(s.newVM("vm"))
			vmi := s.awaitRunning("vm", 2*time.Minute, "")
			s.admit(s.nodes[1])
			tc.wire(s)
			s.awaitDistrusted(failed, "")
			s.change(failed, tc.fail)
			began := time.Now()
			s.awaitFailure(failed, "to await an administrator, alarmed", 2*time.Minute, func(nf *failurev1alpha1.NodeFailure) bool {
				return nf.Status.Phase == failurev1alpha1.PhaseAwaitManual && alarmed(nf)
			})
			if tc.also > 0 {
				s.awaitDistrusted(s.nodes[tc.also], tc.why)
			}
			s.holdsUntil("nothing released without a proof", began.Add(unproved), s.nothingReleased(failed, "vm", vmi))
			if nf := s.awaitFailure(failed, "to be there", time.Second, alarmed); nf.Status.Fence != nil && nf.Status.Fence.Proof != nil {
				t.Errorf("proof %+v, want none", nf.Status.Fence.Proof)
			}
		})
	}
}

// awaitDistrusted waits until the node is reported as not ready for fencing, for a reason if one is given.
func (s *stage) awaitDistrusted(node, reason string) {
	s.t.Helper()
	s.await(node+" to be reported as not ready for fencing "+reason, 2*time.Minute, func() (bool, string, error) {
		c, err := s.fencingReady(node)
		return c.Status == corev1.ConditionFalse && (reason == "" || c.Reason == reason), c.Reason + ": " + c.Message, err
	})
}

// TestPartitionIsFenced: a node that is cut off while its VMs run on, with a BMC that can be read, is powered off once, and its VM
// runs elsewhere only after that.
func TestPartitionIsFenced(t *testing.T) {
	t.Parallel()
	s := suite.newStage(t, 2)
	cut := s.nodes[0]
	s.admit(cut)
	s.create(s.newVM("vm"))
	vmi := s.awaitRunning("vm", 2*time.Minute, "")
	s.admit(s.nodes[1])
	s.change(cut, simhost.Patch{Network: to(false)})
	s.awaitRunning("vm", 3*time.Minute, vmi.UID)
	nf := s.awaitFailure(cut, "to be settled", time.Minute, settled)
	if p := nf.Status.Fence.Proof; p.Kind != failurev1alpha1.ProofPoweredOff {
		t.Errorf("proof %+v, want PoweredOff", p)
	}
	if n := s.powerActions(cut); n != 1 {
		t.Errorf("%d power actions, want 1", n)
	}
}
