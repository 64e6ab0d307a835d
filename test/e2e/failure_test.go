// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// failures returns the NodeFailures of a node, oldest first.
func (s *stage) failures(node string) ([]failurev1alpha1.NodeFailure, error) {
	var list failurev1alpha1.NodeFailureList
	if err := s.client.List(s.ctx, &list); err != nil {
		return nil, err
	}
	var of []failurev1alpha1.NodeFailure
	for _, nf := range list.Items {
		if nf.Spec.NodeName == node {
			of = append(of, nf)
		}
	}
	slices.SortFunc(of, func(a, b failurev1alpha1.NodeFailure) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	return of, nil
}

// awaitFailure waits until the node's one NodeFailure is as wanted, and returns it.
func (s *stage) awaitFailure(node, what string, within time.Duration, wanted func(*failurev1alpha1.NodeFailure) bool) *failurev1alpha1.NodeFailure {
	s.t.Helper()
	var found failurev1alpha1.NodeFailure
	s.await("the NodeFailure of "+node+" "+what, within, func() (bool, string, error) {
		all, err := s.failures(node)
		if err != nil || len(all) != 1 {
			return false, fmt.Sprintf("%d NodeFailures", len(all)), err
		}
		found = all[0]
		return wanted(&found), describe(&found), nil
	})
	return &found
}

func inPhase(phases ...failurev1alpha1.Phase) func(*failurev1alpha1.NodeFailure) bool {
	return func(nf *failurev1alpha1.NodeFailure) bool {
		return slices.Contains(phases, nf.Status.Phase)
	}
}

// settled: every VM is what it should be.
var settled = inPhase(failurev1alpha1.PhaseReturning, failurev1alpha1.PhaseClosed)

func describe(nf *failurev1alpha1.NodeFailure) string {
	var vms []string
	for _, vm := range nf.Status.VMs {
		vms = append(vms, fmt.Sprintf("%s/%s %s due %s %s %q", vm.Namespace, vm.Name, vm.Role, vm.Due, vm.State, vm.Outcome))
	}
	return fmt.Sprintf("%s is %s (%s): %s; VMs: %s", nf.Name, nf.Status.Phase, nf.Status.Reason, nf.Status.Message, strings.Join(vms, "; "))
}

// record returns the ledger line of a VM.
func (s *stage) record(nf *failurev1alpha1.NodeFailure, vm string) failurev1alpha1.VMRecord {
	s.t.Helper()
	for _, r := range nf.Status.VMs {
		if r.Namespace == s.ns && r.Name == vm {
			return r
		}
	}
	s.t.Fatalf("%s has no record of VM %s: %s", nf.Name, vm, describe(nf))
	return failurev1alpha1.VMRecord{}
}

func alarmed(nf *failurev1alpha1.NodeFailure) bool {
	return meta.IsStatusConditionTrue(nf.Status.Conditions, failurev1alpha1.ConditionAlarm)
}

// confirmFenced puts an administrator's token on the NodeFailure.
func (s *stage) confirmFenced(nf *failurev1alpha1.NodeFailure, token string) {
	s.t.Helper()
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, failurev1alpha1.AnnotationConfirmFenced, token)
	s.must(s.client.Patch(s.ctx, nf.DeepCopy(), client.RawPatch("application/merge-patch+json", patch)))
}

// events counts the watcher's events by reason, on the node, its NodeFailure and this stage's VMs.
func (s *stage) events(node string) map[string]int {
	s.t.Helper()
	count := map[string]int{}
	for _, ns := range []string{metav1.NamespaceDefault, s.ns} {
		list, err := s.kube.EventsV1().Events(ns).List(s.ctx, metav1.ListOptions{})
		s.must(err)
		for _, e := range list.Items {
			if e.ReportingController != "failure-watcher" {
				continue
			}
			if ns == s.ns || e.Regarding.Name == node || strings.HasPrefix(e.Regarding.Name, node+"-") {
				n := 1
				if e.Series != nil {
					n = int(e.Series.Count)
				}
				count[e.Regarding.Kind+"/"+e.Reason] += n
			}
		}
	}
	return count
}

// node reads a node.
func (s *stage) node(name string) *corev1.Node {
	s.t.Helper()
	node := &corev1.Node{}
	s.must(s.client.Get(s.ctx, client.ObjectKey{Name: name}, node))
	return node
}

// fencingReady returns the node's condition of that name.
func (s *stage) fencingReady(name string) (corev1.NodeCondition, error) {
	node := &corev1.Node{}
	if err := s.client.Get(s.ctx, client.ObjectKey{Name: name}, node); err != nil {
		return corev1.NodeCondition{}, err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == failurev1alpha1.ConditionFencingReady {
			return c, nil
		}
	}
	return corev1.NodeCondition{}, nil
}

// powerActions returns how many power actions the machine's BMC was ever asked for.
func (s *stage) powerActions(host string) int {
	s.t.Helper()
	state, err := s.Sim().Host(s.ctx, host)
	s.must(err)
	return len(state.PowerActions)
}
