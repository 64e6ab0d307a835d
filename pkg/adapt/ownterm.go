// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// IsOwnTerm is true for the required anti-affinity that virt-controller gives a migration's target pod, so that it never lands
// on its source: over hostnames, with a selector that asks for the VM's own UID and nothing else (KubeVirt 1.8,
// pkg/virt-controller/watch/migration). A VM keeps it for as long as it lives.
func IsOwnTerm(pod *corev1.Pod, term *fwk.AffinityTerm) bool {
	uid, ok := VMOf(pod)
	if !ok || term.TopologyKey != corev1.LabelHostname {
		return false
	}
	requirements, selectable := term.Selector.Requirements()
	if !selectable || len(requirements) != 1 {
		return false
	}
	value, exact := term.Selector.RequiresExactMatch(kubevirtv1.CreatedByLabel)
	return exact && value == string(uid)
}
