// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// The users under which our programs write.
const (
	schedulerUser = "system:serviceaccount:" + cluster.SystemNamespace + ":virt-scheduler"
	watcherUser   = "system:serviceaccount:" + cluster.SystemNamespace + ":failure-watcher"
)

// audited reads the API server's audit log: the finished, successful writes that the test chose, in order.
func (s *stage) audited(choose func(*auditv1.Event) bool) []auditv1.Event {
	s.t.Helper()
	file, err := os.Open(s.AuditLog())
	s.must(err)
	defer func() { _ = file.Close() }()
	var events []auditv1.Event
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			// The last line may be half written.
			return events
		}
		var e auditv1.Event
		s.must(json.Unmarshal(line, &e))
		if e.Stage != auditv1.StageResponseComplete || e.ResponseStatus == nil || e.ResponseStatus.Code >= 300 || e.ObjectRef == nil {
			continue
		}
		if choose(&e) {
			events = append(events, e)
		}
	}
}

// is says whether the event is the verb on the resource ("pods", "pods/binding").
func is(e *auditv1.Event, verb, resource string) bool {
	name := e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		name += "/" + e.ObjectRef.Subresource
	}
	return e.Verb == verb && name == resource
}

// bindings returns who bound the stage's launcher pods, when, by pod name.
func (s *stage) bindings() map[string]auditv1.Event {
	s.t.Helper()
	bound := map[string]auditv1.Event{}
	for _, e := range s.audited(func(e *auditv1.Event) bool {
		return is(e, "create", "pods/binding") && e.ObjectRef.Namespace == s.ns && strings.HasPrefix(e.ObjectRef.Name, "virt-launcher-")
	}) {
		bound[e.ObjectRef.Name] = e
	}
	return bound
}

// createdPod is a launcher pod as it was created.
type createdPod struct {
	at  time.Time
	pod corev1.Pod
}

// launchersCreated returns the launcher pods ever made for a VM, oldest first.
func (s *stage) launchersCreated(vm string) []createdPod {
	s.t.Helper()
	var created []createdPod
	for _, e := range s.audited(func(e *auditv1.Event) bool { return is(e, "create", "pods") && e.ObjectRef.Namespace == s.ns }) {
		if e.ResponseObject == nil {
			s.t.Fatalf("the audit log has no response object for pod %s", e.ObjectRef.Name)
		}
		var pod corev1.Pod
		s.must(json.Unmarshal(e.ResponseObject.Raw, &pod))
		if pod.Labels[kubevirtv1.DeprecatedVirtualMachineNameLabel] == vm {
			created = append(created, createdPod{at: e.RequestReceivedTimestamp.Time, pod: pod})
		}
	}
	return created
}

// proofStored returns when the API server acknowledged the first status of the NodeFailure that holds a proof, and false when
// it never did.
func (s *stage) proofStored(nodeFailure string) (time.Time, bool) {
	s.t.Helper()
	for _, e := range s.audited(func(e *auditv1.Event) bool {
		return e.ObjectRef.Resource == "nodefailures" && e.ObjectRef.Name == nodeFailure && e.ResponseObject != nil
	}) {
		var nf failurev1alpha1.NodeFailure
		s.must(json.Unmarshal(e.ResponseObject.Raw, &nf))
		if nf.Status.Fence != nil && nf.Status.Fence.Proof != nil {
			return e.StageTimestamp.Time, true
		}
	}
	return time.Time{}, false
}

// watcherPodDeletions are the releases of this stage: the pods that the watcher deleted.
func (s *stage) watcherPodDeletions() []auditv1.Event {
	s.t.Helper()
	return s.audited(func(e *auditv1.Event) bool {
		return is(e, "delete", "pods") && e.ObjectRef.Namespace == s.ns && e.User.Username == watcherUser
	})
}

// outOfServiceSet returns the watcher's patches that put the out-of-service taint on a node.
func (s *stage) outOfServiceSet(node string) []auditv1.Event {
	s.t.Helper()
	return s.audited(func(e *auditv1.Event) bool {
		return e.ObjectRef.Resource == "nodes" && e.ObjectRef.Name == node && e.RequestObject != nil &&
			e.User.Username == watcherUser && strings.Contains(string(e.RequestObject.Raw), corev1.TaintNodeOutOfService)
	})
}
