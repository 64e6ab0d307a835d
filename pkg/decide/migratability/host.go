// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package migratability

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
)

// Host is what of a host's labels decides about migrations to and from it. It is not changed once it is made.
type Host struct {
	fit.Host

	arch string
	// vendor is the label of the CPU's vendor, "" when the host publishes none.
	vendor string
	// model is the CPU model that a guest with its host's model gets here, "" when the host publishes none. The value
	// of a label is carried over to the target's selector, as virt-controller does.
	model, modelValue string
	// features are those that such a guest gets besides: label of the feature and its value, sorted.
	features []label
}

type label struct{ key, value string }

// HostOf reads labels of a node, which must not change afterwards.
func HostOf(labels map[string]string) *Host {
	h := &Host{Host: fit.HostOf(labels), arch: labels[corev1.LabelArchStable]}
	for key, value := range labels {
		// A host has one label of its vendor and one of its model. Should there be more, the first by name counts.
		if strings.HasPrefix(key, fit.PrefixCPUVendor) && (h.vendor == "" || key < h.vendor) {
			h.vendor = key
		}
		if name, ok := strings.CutPrefix(key, fit.PrefixHostModel); ok && (h.model == "" || name < h.model) {
			h.model, h.modelValue = name, value
		}
		if name, ok := strings.CutPrefix(key, fit.PrefixHostModelFeatures); ok {
			h.features = append(h.features, label{fit.PrefixCPUFeature + name, value})
		}
	}
	slices.SortFunc(h.features, func(a, b label) int { return strings.Compare(a.key, b.key) })
	return h
}

// Relation says which guests can move from one host to another, as far as that depends on the two hosts alone.
type Relation uint8

const (
	// SameMaker is for guests with a named CPU model. The vendor and the architecture are the same, or one is not known to
	// the host that the guest comes from.
	SameMaker Relation = 1 << iota
	// HasModel is for guests with the CPU model of the host that they come from.
	HasModel
	// SameCPU is for guests with the very CPU of the host that they come from.
	SameCPU
)

// Relate compares two hosts. It costs a look-up per feature that the first one requires; what it says holds for as
// long as the labels of both.
func Relate(from, to *Host) Relation {
	if from.arch != "" && to.arch != from.arch {
		return 0
	}
	if from.vendor != "" && !to.Is(from.vendor) {
		return 0
	}
	related := SameMaker
	if from.model == "" {
		return related
	}
	if to.model == from.model && slices.Equal(to.features, from.features) {
		related |= SameCPU
	}
	labels := to.Labels()
	if got, ok := labels[fit.PrefixCPUModelMigration+from.model]; !ok || got != from.modelValue {
		return related
	}
	for _, feature := range from.features {
		if got, ok := labels[feature.key]; !ok || got != feature.value {
			return related
		}
	}
	return related | HasModel
}
