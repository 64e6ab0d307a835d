// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Labels of KubeVirt 1.8.2 on nodes. Those of node-labeller have the value "true".
const (
	LabelSchedulable       = "kubevirt.io/schedulable"
	LabelCPUManager        = "kubevirt.io/cpumanager"
	LabelRealtime          = "kubevirt.io/realtime"
	LabelSEV               = "kubevirt.io/sev"
	LabelSEVES             = "kubevirt.io/sev-es"
	LabelSEVSNP            = "kubevirt.io/sev-snp"
	LabelTDX               = "kubevirt.io/tdx"
	LabelSecureExecution   = "kubevirt.io/s390-pv"
	LabelObsoleteHostModel = "node-labeller.kubevirt.io/obsolete-host-model"

	PrefixCPUModel          = "cpu-model.node.kubevirt.io/"
	PrefixCPUModelMigration = "cpu-model-migration.node.kubevirt.io/"
	PrefixCPUFeature        = "cpu-feature.node.kubevirt.io/"
	PrefixCPUVendor         = "cpu-vendor.node.kubevirt.io/"
	PrefixMachineType       = "machine-type.node.kubevirt.io/"
	PrefixHyperV            = "hyperv.node.kubevirt.io/"
	PrefixHostModel         = "host-model-cpu.node.kubevirt.io/"
	PrefixHostModelFeatures = "host-model-required-features.node.kubevirt.io/"
	PrefixTSCFrequency      = "scheduling.node.kubevirt.io/tsc-frequency-" // and Hz; written by virt-controller
	labellerDomain          = ".node.kubevirt.io/"
	valueTrue               = "true"
)

// Classes is a set of classes of labels. A host that publishes no label of a class says nothing about it: its
// node-labeller has not run yet, is switched off for the host, or is older than the class.
type Classes uint16

// The classes of labels.
const (
	ClassCPUModels Classes = 1 << iota
	ClassCPUFeatures
	ClassCPUVendor
	ClassMachineTypes
	ClassHyperV
	ClassCPUManager
	ClassArchitecture
	// ClassLabeller is node-labeller's output as a whole. What it labels only where it is there (realtime, SEV, TDX,
	// Secure Execution, the time stamp counter) is missing on a host if all else is published and that is not.
	ClassLabeller
	AllClasses Classes = 1<<iota - 1
)

// names of classes, for ReasonUnpublished.
func (c Classes) name() string {
	switch c {
	case ClassCPUModels:
		return "CPU models"
	case ClassCPUFeatures:
		return "CPU features"
	case ClassCPUVendor:
		return "the CPU's vendor"
	case ClassMachineTypes:
		return "machine types"
	case ClassHyperV:
		return "Hyper-V enlightenments"
	case ClassCPUManager:
		return "a CPU manager"
	case ClassArchitecture:
		return "the CPU's architecture"
	default:
		return "node-labeller"
	}
}

var classOfPrefix = map[string]Classes{
	PrefixCPUModel:    ClassCPUModels,
	PrefixCPUFeature:  ClassCPUFeatures,
	PrefixCPUVendor:   ClassCPUVendor,
	PrefixMachineType: ClassMachineTypes,
	PrefixHyperV:      ClassHyperV,
}

// Host is the labels of a host, read once. Hosts with the same labels are the same Host.
type Host struct {
	labels    map[string]string
	published Classes
}

// HostOf reads labels of a node, which must not change afterwards.
func HostOf(labels map[string]string) Host {
	h := Host{labels: labels}
	for key := range labels {
		switch key {
		case LabelCPUManager:
			h.published |= ClassCPUManager
			continue
		case corev1.LabelArchStable:
			h.published |= ClassArchitecture
			continue
		}
		prefix := key[:strings.IndexByte(key, '/')+1]
		if strings.HasSuffix(prefix, labellerDomain) {
			h.published |= ClassLabeller | classOfPrefix[prefix]
		}
	}
	return h
}

// Published returns the classes of which the host has a label.
func (h Host) Published() Classes { return h.published }

// Labels returns what the host was read from; it must not be changed.
func (h Host) Labels() map[string]string { return h.labels }

// Is is true when the host has a label with the value "true", as a node selector of virt-controller wants it.
func (h Host) Is(label string) bool { return h.labels[label] == valueTrue }
