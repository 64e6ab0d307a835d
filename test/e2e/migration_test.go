// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// The stages at which sim-virt-handler holds a migration when the VMI's annotation says so.
const (
	holdAnnotation   = "sim.virt-scheduler.io/hold-migration-at"
	beforeSwitchOver = "before-switchover"
	atSwitchOver     = "at-switchover"
	afterSwitchOver  = "after-switchover"
)

// TestDeathDuringMigration: one side of a live migration dies before, at and after the switch-over. In the end exactly one
// guest runs, where the API says; that there never were two is checked for every test.
func TestDeathDuringMigration(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		hold       string
		sourceDies bool
		// sameVMI: the guest itself survives on the other side; otherwise it died with the node and a new one is started.
		sameVMI bool
	}{
		"source before the switch-over": {hold: beforeSwitchOver, sourceDies: true, sameVMI: false},
		"source at the switch-over":     {hold: atSwitchOver, sourceDies: true, sameVMI: true},
		"source after the switch-over":  {hold: afterSwitchOver, sourceDies: true, sameVMI: true},
		"target before the switch-over": {hold: beforeSwitchOver, sourceDies: false, sameVMI: true},
		"target at the switch-over":     {hold: atSwitchOver, sourceDies: false, sameVMI: false},
		"target after the switch-over":  {hold: afterSwitchOver, sourceDies: false, sameVMI: false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := suite.newStage(t, 3)
			source, target, third := s.nodes[0], s.nodes[1], s.nodes[2]
			s.admit(source)
			s.create(s.newVM("vm").Annotation(holdAnnotation, tc.hold))
			vmi := s.awaitRunning("vm", 2*time.Minute, "")
			s.admit(target)
			if tc.sourceDies && tc.hold != beforeSwitchOver {
				// Dying with its machine, the kubelet does not get round to ending the source's pod: the pod is still what the API has
				// of a guest that has left.
				s.change(source, simhost.Patch{Kubelet: to(false)})
			}
			s.migrate("vm")
			s.awaitHeld("vm", tc.hold, source, target)
			s.admit(third)

			dead, other := target, source
			if tc.sourceDies {
				dead, other = source, target
			}
			s.cutPower(dead)
			if tc.sourceDies && tc.hold == atSwitchOver {
				// The guest runs on the target, and the API does not know it yet: its pod on the dead source must stay until it does.
				s.awaitFailure(dead, "to hold the source's pod", 2*time.Minute, func(nf *failurev1alpha1.NodeFailure) bool {
					return len(nf.Status.VMs) == 1 && nf.Status.VMs[0].State == failurev1alpha1.VMHeld
				})
			}
			s.letGo("vm")

			nf := s.awaitFailure(dead, "to be settled", 4*time.Minute, settled)
			not := vmi.UID
			if tc.sameVMI {
				not = ""
			}
			now := s.awaitRunning("vm", time.Minute, not)
			if tc.sameVMI && (now.UID != vmi.UID || now.Status.NodeName != other) {
				t.Errorf("VMI %s runs on %s, want %s on %s: the guest was alive there; %s", now.UID, now.Status.NodeName, vmi.UID, other, describe(nf))
			}
			if r := s.record(nf, "vm"); r.State != failurev1alpha1.VMSettled || r.NewNode != now.Status.NodeName {
				t.Errorf("record %+v, want Settled on %s", r, now.Status.NodeName)
			}
		})
	}
}

// migrate asks for a live migration.
func (s *stage) migrate(vm string) {
	s.t.Helper()
	migration := &kubevirtv1.VirtualMachineInstanceMigration{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: vm + "-away"},
		Spec:       kubevirtv1.VirtualMachineInstanceMigrationSpec{VMIName: vm},
	}
	s.await("the migration of "+vm+" to be accepted", 30*time.Second, func() (bool, string, error) {
		err := s.client.Create(s.ctx, migration.DeepCopy())
		return err == nil, "", err
	})
}

// awaitMoved waits until a migration of the VM has ended well, and it is no longer on a node.
func (s *stage) awaitMoved(vm, from string) {
	s.t.Helper()
	s.await(vm+" to have moved", 2*time.Minute, func() (bool, string, error) {
		now, err := s.vmi(vm)
		if err != nil || now == nil || now.Status.MigrationState == nil {
			return false, "no migration", err
		}
		return now.Status.MigrationState.Completed && now.Status.NodeName != from, "on " + now.Status.NodeName, nil
	})
}

// awaitHeld waits until the migration stands at the stage, by what is known in that stage: before the switch-over the target's
// domain is there; at it the guest runs on the target and the API says source; after it the API says target.
func (s *stage) awaitHeld(vm, hold, source, target string) {
	s.t.Helper()
	s.await("the migration of "+vm+" to stand "+hold, 2*time.Minute, func() (bool, string, error) {
		vmi, err := s.vmi(vm)
		if err != nil || vmi == nil || vmi.Status.MigrationState == nil {
			return false, "no migration", err
		}
		m, guests := vmi.Status.MigrationState, s.liveGuests(vm)
		seen := fmt.Sprintf("VMI on %s, guests %v, migration %+v", vmi.Status.NodeName, guests, m)
		if len(guests) != 1 || m.Completed {
			return false, seen, nil
		}
		switch hold {
		case beforeSwitchOver:
			return m.TargetNodeDomainDetected && guests[0].Node == source, seen, nil
		case atSwitchOver:
			return guests[0].Node == target && vmi.Status.NodeName == source, seen, nil
		default:
			return guests[0].Node == target && vmi.Status.NodeName == target, seen, nil
		}
	})
}

// letGo takes the hold off.
func (s *stage) letGo(vm string) {
	s.t.Helper()
	s.await("the hold to be taken off "+vm, 30*time.Second, func() (bool, string, error) {
		vmi, err := s.vmi(vm)
		if err != nil || vmi == nil {
			return err == nil, "no VMI", err
		}
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:null}}}`, holdAnnotation)
		err = s.client.Patch(s.ctx, vmi, client.RawPatch("application/merge-patch+json", patch))
		return client.IgnoreNotFound(err) == nil, "", err
	})
}

// TestMigrationUndisturbed is the control: nothing dies, the VM moves, and the watcher sees no failure.
func TestMigrationUndisturbed(t *testing.T) {
	t.Parallel()
	s := suite.newStage(t, 2)
	s.admit(s.nodes[0])
	s.create(s.newVM("vm"))
	vmi := s.awaitRunning("vm", 2*time.Minute, "")
	s.admit(s.nodes[1])
	s.migrate("vm")
	s.awaitMoved("vm", s.nodes[0])
	if now := s.awaitRunning("vm", 30*time.Second, ""); now.UID != vmi.UID || now.Status.NodeName != s.nodes[1] {
		t.Errorf("VMI %s on %s, want %s on %s: it was started anew, or elsewhere", now.UID, now.Status.NodeName, vmi.UID, s.nodes[1])
	}
	for _, node := range s.nodes {
		if all, err := s.failures(node); err != nil || len(all) != 0 {
			t.Errorf("%d NodeFailures of %s (%v), want none", len(all), node, err)
		}
	}
	for name, b := range s.bindings() {
		if b.User.Username != schedulerUser {
			t.Errorf("pod %s was bound by %s, want %s", name, b.User.Username, schedulerUser)
		}
	}
}
