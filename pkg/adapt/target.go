// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// simulatedMigration stands where the UID of a migration will be that does not exist yet.
const simulatedMigration = "virt-scheduler-what-if"

// TargetOf returns the pod that virt-controller would make to receive a VM that is migrated away from a node, as far as a scheduler
// looks at it (KubeVirt 1.8, pkg/virt-controller/watch/migration, createTargetPod): the source pod without a node, with the
// labels and the anti-affinity of a migration, the CPU of the source node for a host-model guest, and the vendor of its CPU.
// What others' migrations asked for of the source pod (addedNodeSelector) is left out. The pod is not in the API, and shares with the source what
// is the same: it must not be changed.
func TargetOf(source *corev1.Pod, vm *model.VM, from *corev1.Node) *corev1.Pod {
	copied := *source
	target := &copied // what is below is shared, but for what is changed
	target.Labels = maps.Clone(source.Labels)
	target.Name += "-target"
	target.UID = types.UID(simulatedMigration + "-" + string(source.UID))
	target.ResourceVersion = ""
	target.Status = corev1.PodStatus{}
	target.Spec.NodeName = ""
	target.Labels[kubevirtv1.MigrationJobLabel] = simulatedMigration
	target.Spec.NodeSelector = targetSelector(source.Spec.NodeSelector, vm, from.Labels)
	if !hasOwnTerm(target) {
		addOwnTerm(target)
	}
	return target
}

func targetSelector(source map[string]string, vm *model.VM, from map[string]string) map[string]string {
	selector := map[string]string{}
	carried := false
	for key, value := range source {
		if ofKubeVirt(key) {
			selector[key] = value
			carried = carried || strings.HasPrefix(key, kubevirtv1.CPUFeatureLabel) || strings.HasPrefix(key, kubevirtv1.SupportedHostModelMigrationCPU)
		}
	}
	if vm.Wishes != nil {
		maps.Copy(selector, vm.Wishes.NodeSelector) // as it is now: the owner may have changed it since the source was made
	}
	if vm.Wishes != nil && vm.Wishes.CPUModel == model.CPUHostModel && !carried {
		maps.Copy(selector, hostModelOf(from))
	}
	if vendorIn(selector) == "" {
		if vendor := vendorIn(from); vendor != "" {
			selector[vendor] = "true"
		}
	}
	return selector
}

// ofKubeVirt is true for the keys of node selectors that KubeVirt itself puts into launcher pods.
func ofKubeVirt(key string) bool {
	return strings.Contains(key, "kubevirt.io/") || key == corev1.LabelArchStable || key == kubevirtv1.DeprecatedCPUManager
}

// hostModelOf returns what a target needs to run a guest that has the CPU model of its host.
func hostModelOf(from map[string]string) map[string]string {
	selector := map[string]string{}
	for key, value := range from {
		if model, ok := strings.CutPrefix(key, kubevirtv1.HostModelCPULabel); ok {
			selector[kubevirtv1.SupportedHostModelMigrationCPU+model] = value
		}
		if feature, ok := strings.CutPrefix(key, kubevirtv1.HostModelRequiredFeaturesLabel); ok {
			selector[kubevirtv1.CPUFeatureLabel+feature] = value
		}
	}
	return selector
}

func vendorIn(labels map[string]string) string {
	for key := range labels {
		if strings.HasPrefix(key, kubevirtv1.CPUModelVendorLabel) {
			return key
		}
	}
	return ""
}

// hasOwnTerm is true for a pod that keeps away from its VM's other pods already: the VM has been migrated before.
func hasOwnTerm(pod *corev1.Pod) bool {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return false
	}
	return slices.ContainsFunc(pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, func(term corev1.PodAffinityTerm) bool {
		selector := term.LabelSelector
		return term.TopologyKey == corev1.LabelHostname && selector != nil && len(selector.MatchExpressions) == 0 &&
			maps.Equal(selector.MatchLabels, ownLabels(pod))
	})
}

func ownLabels(pod *corev1.Pod) map[string]string {
	return map[string]string{kubevirtv1.CreatedByLabel: pod.Labels[kubevirtv1.CreatedByLabel]}
}

// addOwnTerm gives a pod whose affinity is shared one of its own.
func addOwnTerm(pod *corev1.Pod) {
	affinity, anti := corev1.Affinity{}, corev1.PodAntiAffinity{}
	if pod.Spec.Affinity != nil {
		affinity = *pod.Spec.Affinity
	}
	if affinity.PodAntiAffinity != nil {
		anti = *affinity.PodAntiAffinity
	}
	anti.RequiredDuringSchedulingIgnoredDuringExecution = append(slices.Clip(anti.RequiredDuringSchedulingIgnoredDuringExecution), corev1.PodAffinityTerm{
		TopologyKey:   corev1.LabelHostname,
		LabelSelector: &metav1.LabelSelector{MatchLabels: ownLabels(pod)},
	})
	affinity.PodAntiAffinity = &anti
	pod.Spec.Affinity = &affinity
}
