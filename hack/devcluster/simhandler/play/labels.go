// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// olderModels are models that every simulated processor supports.
var olderModels = []string{"Nehalem", "Westmere", "SandyBridge", "IvyBridge"}

// requiredFeatures are features that each generation adds, which a guest with the host's model then needs.
var requiredFeatures = map[string][]string{
	simhost.ProcessorHaswell:     {"vmx", "xsave"},
	simhost.ProcessorSkylake:     {"vmx", "xsave", "xsavec"},
	simhost.ProcessorCascadeLake: {"vmx", "xsave", "xsavec", "avx512f"},
}

// Labels are the labels of virt-handler's node labeller on a machine with the given processor; "" is a Skylake.
func Labels(processor string) map[string]string {
	if processor == "" {
		processor = simhost.ProcessorSkylake
	}
	labels := map[string]string{
		corev1.LabelArchStable:                         "amd64",
		corev1.LabelOSStable:                           "linux",
		virtv1.CPUManager:                              "false",
		virtv1.HostModelCPULabel + processor:           "true",
		virtv1.CPUModelVendorLabel + "Intel":           "true",
		virtv1.SupportedMachineTypeLabel + "q35":       "true",
		virtv1.SupportedMachineTypeLabel + machineType: "true",
	}
	processors := simhost.Processors()
	upToThis := processors[:slices.Index(processors, processor)+1]
	for _, model := range append(slices.Clone(olderModels), upToThis...) {
		labels[virtv1.CPUModelLabel+model] = "true"
	}
	// The labeller lists every model that libvirt knows here; what keeps a guest from moving are required features.
	for _, model := range append(slices.Clone(olderModels), processors...) {
		labels[virtv1.SupportedHostModelMigrationCPU+model] = "true"
	}
	for _, feature := range []string{"aes", "avx", "avx2", "sse4.2"} {
		labels[virtv1.CPUFeatureLabel+feature] = "true"
	}
	for _, feature := range requiredFeatures[processor] {
		labels[virtv1.CPUFeatureLabel+feature] = "true"
		labels[virtv1.HostModelRequiredFeaturesLabel+feature] = "true"
	}
	for _, feature := range []string{"base", "frequencies", "ipi", "reset", "runtime", "synic", "tlbflush", "vpindex"} {
		labels[virtv1.HypervLabel+feature] = "true"
	}
	return labels
}
