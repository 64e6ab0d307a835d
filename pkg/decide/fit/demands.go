// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Demands is the wishes of a guest as demands on labels, made once and compared with many hosts. It is not changed
// once it is made.
type Demands struct {
	list    []demand
	devices []string
}

type demand struct {
	class  Classes
	label  string
	value  string // "": the label must not be there
	reason Reason
	detail string
}

// DemandsOf returns what a VM demands of the labels of its host, in the order in which they are judged. The rules are
// virt-controller's, also for what it only writes as a node selector under a feature gate (Hyper-V).
func DemandsOf(vm *model.VM) *Demands {
	d := &Demands{}
	w := vm.Wishes
	if w == nil {
		w = &model.Wishes{}
	}
	d.devices = w.Devices
	if w.Architecture != "" {
		arch := strings.ToLower(w.Architecture) // as virt-controller does
		d.add(demand{class: ClassArchitecture, label: corev1.LabelArchStable, value: arch, reason: ReasonArchitecture, detail: arch})
	}
	switch w.CPUModel {
	case model.CPUHostPassthrough:
	case model.CPUHostModel, "": // "" is KubeVirt's default: the host's model
		d.add(demand{class: ClassLabeller, label: LabelObsoleteHostModel, reason: ReasonObsoleteHostModel})
	default:
		d.want(ClassCPUModels, PrefixCPUModel, w.CPUModel, ReasonCPUModel)
	}
	if w.CPUVendor != "" {
		d.want(ClassCPUVendor, PrefixCPUVendor, w.CPUVendor, ReasonCPUVendor)
	}
	for _, feature := range w.Features {
		d.want(ClassCPUFeatures, PrefixCPUFeature, feature, ReasonCPUFeature)
	}
	for _, feature := range w.Without {
		d.add(demand{
			class: ClassCPUFeatures, label: PrefixCPUFeature + feature,
			reason: ReasonForbiddenCPUFeature, detail: feature,
		})
	}
	if w.MachineType != "" {
		d.want(ClassMachineTypes, PrefixMachineType, w.MachineType, ReasonMachineType)
	}
	for _, enlightenment := range w.HyperV {
		d.want(ClassHyperV, PrefixHyperV, enlightenment, ReasonHyperV)
	}
	if vm.Size.DedicatedCPUs {
		d.add(demand{class: ClassCPUManager, label: LabelCPUManager, value: valueTrue, reason: ReasonCPUManager})
	}
	d.addAbilities(w)
	return d
}

// addAbilities adds what node-labeller labels only where the host can do it.
func (d *Demands) addAbilities(w *model.Wishes) {
	for _, ability := range []struct {
		wished bool
		label  string
		reason Reason
	}{
		{w.Realtime, LabelRealtime, ReasonRealtime},
		{w.SEV, LabelSEV, ReasonSEV},
		{w.SEVES, LabelSEVES, ReasonSEVES},
		{w.SEVSNP, LabelSEVSNP, ReasonSEVSNP},
		{w.TDX, LabelTDX, ReasonTDX},
		{w.SecureExecution, LabelSecureExecution, ReasonSecureExecution},
	} {
		if ability.wished {
			d.add(demand{class: ClassLabeller, label: ability.label, value: valueTrue, reason: ability.reason})
		}
	}
	if w.TSCFrequency > 0 {
		hertz := strconv.FormatInt(w.TSCFrequency, 10)
		d.add(demand{class: ClassLabeller, label: PrefixTSCFrequency + hertz, value: valueTrue, reason: ReasonTSC, detail: hertz})
	}
}

func (d *Demands) want(class Classes, prefix, name string, reason Reason) {
	d.add(demand{class: class, label: prefix + name, value: valueTrue, reason: reason, detail: name})
}

func (d *Demands) add(more demand) { d.list = append(d.list, more) }

// Devices returns the extended resources that the host must have; they are no matter of labels.
func (d *Demands) Devices() []string { return d.devices }

// Labels returns the keys of the labels that are looked at.
func (d *Demands) Labels() []string {
	keys := make([]string, len(d.list))
	for i := range d.list {
		keys[i] = d.list[i].label
	}
	return keys
}

// Judge compares demands with a host's labels. A class of labels that the host does not publish is judged only if it
// is in insist; then the host is refused.
func (d *Demands) Judge(host Host, insist Classes) Verdict {
	for i := range d.list {
		want := &d.list[i]
		if host.published&want.class == 0 {
			if insist&want.class == 0 {
				continue
			}
			return Verdict{Reason: ReasonUnpublished, Detail: want.class.name()}
		}
		if !want.metBy(host) {
			return Verdict{Reason: want.reason, Detail: want.detail}
		}
	}
	return Verdict{}
}

func (want *demand) metBy(host Host) bool {
	got, there := host.labels[want.label]
	if want.value == "" {
		return !there
	}
	return got == want.value
}
