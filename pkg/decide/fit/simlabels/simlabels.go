// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simlabels makes label sets of simulated hosts in the form in which
// KubeVirt 1.8.2 publishes them: virt-handler's own labels and all that its
// node-labeller derives from libvirt's capabilities. For tests, benchmarks and
// simulations only; the CPUs are real ones, shortened to the features that
// tell them apart.
package simlabels

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// CPU is a simulated host's processor as libvirt describes it.
type CPU struct {
	Arch, Vendor string
	// Model is the host's own, by which a host-model guest is named; "" for none, as on arm64.
	Model string
	// Required are the features that a host-model guest gets on top of the model.
	Required []string
	// Features that the host has, Required included.
	Features []string
	// Models that a guest may ask for by name.
	Models []string
	// Machines are the machine types of the host's emulator.
	Machines []string
	// More are labels that only such hosts have.
	More []string
}

// known is what libvirt on x86 knows of, whatever the host; obsolete models are left out, as KubeVirt does.
var known = []string{
	"Broadwell", "Cascadelake-Server", "EPYC", "EPYC-Milan", "EPYC-Rome", "Haswell", "Icelake-Server", "IvyBridge",
	"Nehalem", "SandyBridge", "SapphireRapids", "Skylake-Client", "Skylake-Server", "Westmere",
}

var (
	enlightenments = []string{
		"base", "frequencies", "ipi", "reenlightenment", "reset", "runtime", "synic", "synic2", "synictimer", "time", "tlbflush", "vpindex",
	}
	machines    = []string{"q35", "pc-q35-rhel9.4.0", "pc-q35-rhel9.6.0"}
	intelModels = []string{"Nehalem", "Westmere", "SandyBridge", "IvyBridge", "Haswell", "Broadwell", "Skylake-Client", "Skylake-Server"}
	intelBase   = []string{"aes", "apic", "avx", "avx2", "fpu", "mmx", "sse4.2", "vmx", "x2apic", "xsave"}
	amdBase     = []string{"aes", "apic", "avx", "avx2", "fpu", "mmx", "sse4.2", "svm", "sse4a", "x2apic", "xsave"}
)

// Skylake is a server whose model most Intel servers support.
func Skylake() CPU {
	required := []string{"hypervisor", "md-clear", "pdcm", "ss", "stibp", "vmx"}
	return intel("Skylake-Server", required, []string{"avx512f", "invtsc"}, intelModels)
}

// Cascadelake requires features that a Skylake has not.
func Cascadelake() CPU {
	required := []string{"arch-capabilities", "hypervisor", "md-clear", "mds-no", "pdcm", "rdctl-no", "ss", "stibp", "vmx"}
	return intel("Cascadelake-Server", required, []string{"avx512f", "avx512vnni", "invtsc"},
		append(slices.Clone(intelModels), "Cascadelake-Server"))
}

// Icelake has all that a Cascadelake requires; not the other way round.
func Icelake() CPU {
	required := []string{"arch-capabilities", "fsrm", "hypervisor", "md-clear", "mds-no", "pdcm", "rdctl-no", "ss", "stibp", "taa-no", "vmx"}
	return intel("Icelake-Server", required, []string{"avx512f", "avx512vnni", "gfni", "invtsc"},
		append(slices.Clone(intelModels), "Cascadelake-Server", "Icelake-Server"))
}

// Rome is an AMD server that can encrypt guests.
func Rome() CPU {
	required := []string{"amd-ssbd", "hypervisor", "svme-addr-chk", "x2apic"}
	return CPU{
		Arch: "amd64", Vendor: "AMD", Model: "EPYC-Rome", Required: required,
		Features: append(slices.Clone(amdBase), required...), Models: []string{"Nehalem", "Westmere", "EPYC", "EPYC-Rome"},
		Machines: machines, More: []string{"kubevirt.io/sev", "kubevirt.io/sev-es"},
	}
}

// Arm is an arm64 server: node-labeller publishes machine types and nothing of the CPU.
func Arm() CPU { return CPU{Arch: "arm64", Machines: []string{"virt", "virt-rhel9.6.0"}} }

func intel(model string, required, features, models []string) CPU {
	return CPU{
		Arch: "amd64", Vendor: "Intel", Model: model, Required: required,
		Features: slices.Concat(intelBase, required, features), Models: models, Machines: machines,
	}
}

// Labels returns the labels of a host with the CPU, on which virt-handler runs; the map is the caller's.
func (c CPU) Labels() map[string]string {
	labels := Unlabelled(c.Arch)
	set := func(prefix string, names ...string) {
		for _, name := range names {
			labels[prefix+name] = "true"
		}
	}
	set("machine-type.node.kubevirt.io/", c.Machines...)
	set("", c.More...)
	if c.Model == "" {
		return labels
	}
	set("cpu-vendor.node.kubevirt.io/", c.Vendor)
	set("host-model-cpu.node.kubevirt.io/", c.Model)
	set("host-model-required-features.node.kubevirt.io/", c.Required...)
	set("cpu-feature.node.kubevirt.io/", c.Features...)
	set("cpu-model.node.kubevirt.io/", c.Models...)
	set("cpu-model-migration.node.kubevirt.io/", known...)
	set("hyperv.node.kubevirt.io/", enlightenments...)
	labels["cpu-timer.node.kubevirt.io/tsc-frequency"] = "2600000000"
	labels["cpu-timer.node.kubevirt.io/tsc-scalable"] = "true"
	labels["scheduling.node.kubevirt.io/tsc-frequency-2600000000"] = "true"
	return labels
}

// Unlabelled returns the labels of a host whose virt-handler runs and whose node-labeller does not.
func Unlabelled(arch string) map[string]string {
	return map[string]string{
		corev1.LabelArchStable: arch, corev1.LabelOSStable: "linux",
		"kubevirt.io/schedulable": "true", "kubevirt.io/cpumanager": "false", "cpumanager": "false",
	}
}

// With returns the labels and more, given as pairs of key and value; a pair with value "-" takes the label away.
func With(labels map[string]string, pairs ...string) map[string]string {
	changed := maps.Clone(labels)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "-" {
			delete(changed, pairs[i])
			continue
		}
		changed[pairs[i]] = pairs[i+1]
	}
	return changed
}
