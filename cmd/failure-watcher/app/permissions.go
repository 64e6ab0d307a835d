// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// permissions is all that the watcher does with the API server. manifests/base/rbac-watcher.yaml grants exactly this, and what the
// metrics endpoint needs; a test compares the two.
func permissions(cfg *failurev1alpha1.FailureWatcherConfiguration) []authorizationv1.ResourceAttributes {
	var all []authorizationv1.ResourceAttributes
	add := func(namespace, group, resource, subresource string, verbs ...string) {
		for _, verb := range verbs {
			all = append(all, authorizationv1.ResourceAttributes{
				Namespace: namespace, Group: group, Resource: resource, Subresource: subresource, Verb: verb,
			})
		}
	}
	add("", "", "nodes", "", "get", "list", "watch", "patch")
	add("", "", "nodes", "status", "patch")
	add("", "", "pods", "", "get", "list", "delete")
	add("", "events.k8s.io", "events", "", "create", "patch")
	add("", "storage.k8s.io", "volumeattachments", "", "list")
	add("", "kubevirt.io", "virtualmachines", "", "get", "list")
	add("", "kubevirt.io", "virtualmachineinstances", "", "get", "list")
	add("", "kubevirt.io", "virtualmachineinstancemigrations", "", "list")
	add("", failurev1alpha1.GroupName, "nodefailures", "", "get", "list", "watch", "create")
	add("", failurev1alpha1.GroupName, "nodefailures", "status", "patch")
	add(corev1.NamespaceNodeLease, "coordination.k8s.io", "leases", "", "get", "list", "watch")
	add(cfg.LeaderElection.Namespace, "coordination.k8s.io", "leases", "", "create")
	for _, verb := range []string{"get", "update"} {
		all = append(all, authorizationv1.ResourceAttributes{
			Namespace: cfg.LeaderElection.Namespace, Group: "coordination.k8s.io", Resource: "leases", Name: cfg.LeaderElection.Name, Verb: verb,
		})
	}
	if len(cfg.Fencing.Redfish) > 0 {
		add(cfg.Fencing.SecretNamespace, "", "secrets", "", "get")
	}
	return all
}
