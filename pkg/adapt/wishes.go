// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Policies of CPU features, as libvirt and KubeVirt name them; without one a feature is required.
const (
	featureRequired  = "require"
	featureForbidden = "forbid"
)

// vendorIntel is the vendor that nested Hyper-V (eVMCS) needs, as node labels name it.
const vendorIntel = "Intel"

const architectureWithSecureExecution = "s390x"

// wishesFromVMI returns what a VirtualMachineInstance asks of its host besides room. It says what the guest needs,
// also where virt-controller makes no node selector of it: Hyper-V without the feature gate HypervStrictCheck, CPU
// features without a model, and what is forbidden.
func wishesFromVMI(vmi *kubevirtv1.VirtualMachineInstance) model.Wishes {
	domain := &vmi.Spec.Domain
	wishes := model.Wishes{
		Architecture: strings.ToLower(vmi.Spec.Architecture),
		CPUModel:     model.CPUHostModel,
		NodeSelector: vmi.Spec.NodeSelector,
		NodeAffinity: requiredNodeAffinity(vmi.Spec.Affinity),
		Devices:      devices(&domain.Devices),
	}
	if cpu := domain.CPU; cpu != nil {
		if cpu.Model != "" {
			wishes.CPUModel = cpu.Model
		}
		for _, feature := range cpu.Features {
			switch feature.Policy {
			case "", featureRequired:
				wishes.Features = append(wishes.Features, feature.Name)
			case featureForbidden:
				wishes.Without = append(wishes.Without, feature.Name)
			}
		}
		slices.Sort(wishes.Features)
		slices.Sort(wishes.Without)
		wishes.Realtime = cpu.Realtime != nil
		wishes.NUMAPassthrough = cpu.NUMA != nil && cpu.NUMA.GuestMappingPassthrough != nil
	}
	if domain.Features != nil && domain.Features.Hyperv != nil {
		wishes.HyperV, wishes.CPUVendor = hyperV(domain.Features.Hyperv)
	}
	switch status := vmi.Status.Machine; {
	case status != nil && status.Type != "":
		wishes.MachineType = status.Type // a running guest keeps the version that it started with
	case domain.Machine != nil:
		wishes.MachineType = domain.Machine.Type
	}
	if hints := vmi.Status.TopologyHints; hints != nil && hints.TSCFrequency != nil {
		wishes.TSCFrequency = *hints.TSCFrequency
	}
	launchSecurity(domain.LaunchSecurity, &wishes)
	return wishes
}

func launchSecurity(security *kubevirtv1.LaunchSecurity, wishes *model.Wishes) {
	if security == nil {
		return
	}
	if wishes.Architecture == architectureWithSecureExecution {
		wishes.SecureExecution = true
		return
	}
	if sev := security.SEV; sev != nil {
		wishes.SEV = true
		wishes.SEVES = sev.Policy != nil && sev.Policy.EncryptedState != nil && *sev.Policy.EncryptedState
	}
	if security.SNP != nil {
		wishes.SEV, wishes.SEVSNP = true, true // virt-controller selects both
	}
	wishes.TDX = security.TDX != nil
}

// hyperV names the enlightenments that need the host's help. Others (relaxed, vapic, spinlocks, vendorid) are qemu's
// own. An enlightenment that is named without saying so is on.
func hyperV(h *kubevirtv1.FeatureHyperv) (labels []string, vendor string) {
	on := func(enabled *bool) bool { return enabled == nil || *enabled }
	add := func(label string, state *kubevirtv1.FeatureState) {
		if state != nil && on(state.Enabled) {
			labels = append(labels, label)
		}
	}
	add("frequencies", h.Frequencies)
	add("ipi", h.IPI)
	add("reenlightenment", h.Reenlightenment)
	add("reset", h.Reset)
	add("runtime", h.Runtime)
	add("synic", h.SyNIC)
	if h.SyNICTimer != nil && on(h.SyNICTimer.Enabled) {
		labels = append(labels, "synictimer")
	}
	if h.TLBFlush != nil && on(h.TLBFlush.Enabled) {
		labels = append(labels, "tlbflush")
	}
	add("vpindex", h.VPIndex)
	if h.EVMCS != nil && on(h.EVMCS.Enabled) {
		vendor = vendorIntel
	}
	return labels, vendor
}

func devices(d *kubevirtv1.Devices) []string {
	var names []string
	for i := range d.GPUs {
		names = append(names, d.GPUs[i].DeviceName)
	}
	for i := range d.HostDevices {
		names = append(names, d.HostDevices[i].DeviceName)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" }) // by claim, not by name
}

func requiredNodeAffinity(affinity *corev1.Affinity) *corev1.NodeSelector {
	if affinity == nil || affinity.NodeAffinity == nil {
		return nil
	}
	return affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
}
